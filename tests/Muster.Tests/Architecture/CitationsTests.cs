using System.Text.RegularExpressions;

namespace Muster.Tests.Architecture;

/// <summary>What code and documents refer to is in the repository, whoever cloned it.</summary>
public sealed partial class CitationsTests
{
    private static readonly string Root = Path.GetFullPath(TestFiles.At(".."));

    [Fact]
    public void Every_document_and_heading_that_the_code_cites_is_there()
    {
        var code = new[] { "src", "tests", "bench" }.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.EndsWith("/CitationsTests.cs", StringComparison.Ordinal));
        var missing = from file in code
                      from Match cited in Citation().Matches(File.ReadAllText(file))
                      where !IsThere(cited.Groups["document"].Value, cited.Groups["heading"].Value)
                      select $"{Path.GetRelativePath(Root, file)}: {cited.Value}";
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_link_in_the_documents_leads_to_a_file()
    {
        var documents = Directory.EnumerateFiles(Root, "*.md").Concat(Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories));
        var broken = from file in documents
                     from Match link in Link().Matches(File.ReadAllText(file))
                     let target = Path.Combine(Path.GetDirectoryName(file)!, link.Groups["path"].Value)
                     where !File.Exists(target) && !Directory.Exists(target)
                     select $"{Path.GetRelativePath(Root, file)}: {link.Value}";
        Assert.Empty(broken);
    }

    private static bool IsThere(string document, string heading)
    {
        var path = Path.Combine(Root, document);
        return File.Exists(path) && (heading.Length == 0 || File.ReadLines(path).Any(line => line.StartsWith('#') && line.TrimStart('#', ' ') == heading));
    }

    /// <summary><c>docs/name.md</c>, perhaps with a heading in quotation marks; also names of documents that are nowhere, such as <c>DESIGN.md</c>.</summary>
    [GeneratedRegex("""(?<document>(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+\.md)(?:, "(?<heading>[^"\n]+)")?""")]
    private static partial Regex Citation();

    [GeneratedRegex(@"\]\((?<path>(?!https?:|#|mailto:)[^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();
}
