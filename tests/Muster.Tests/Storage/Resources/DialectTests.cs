using Muster.Core.Access;
using Muster.Storage.Resources;

namespace Muster.Tests.Storage.Resources;

/// <summary>Each row of the dialect's table (docs/resource-api.md, "Queries"), answered by both databases.</summary>
public sealed class DialectTests
{
    /// <summary>Filters on the devices of fleet 1, and the names they must give.</summary>
    public static TheoryData<string, string> Filters => new()
    {
        // a navigation compared as a scalar, null, null-safe ne
        { "is_running__release eq 1", "charlie,delta" },
        { "is_running__release eq null", "Hotel%20&x,alpha,bravo,golf's" },
        { "is_running__release ne 1", "Hotel%20&x,alpha,bravo,golf's" },
        { "update_status ne 'done'", "Hotel%20&x,alpha,bravo,golf's" },
        { "update_status eq null", "Hotel%20&x,alpha,bravo" },
        { "update_status ne null", "charlie,delta,golf's" },
        { "not(update_status eq 'done')", "Hotel%20&x,alpha,bravo,golf's" },
        { "not(overall_progress gt 40)", "Hotel%20&x,alpha,bravo,charlie,delta" },
        { "not not (update_status eq 'done')", "charlie,delta" },
        // lambdas: collections, single values, constants, nesting, the same variable twice, all
        { "device_tag/any(dt:dt/tag_key eq 'site' and dt/value eq 'oslo')", "alpha,charlie" },
        { "device_tag/any(a:a/tag_key eq 'site' and a/value eq 'oslo') and device_tag/any(a:a/tag_key eq 'rack')", "charlie" },
        { "device_tag/any(dt:1 eq 1)", "alpha,bravo,charlie,delta" },
        { "device_tag/any()", "alpha,bravo,charlie,delta" },
        { "device_tag/any(dt:1 eq 2)", "" },
        { "not(device_tag/any(dt:dt/tag_key eq 'site'))", "Hotel%20&x,delta,golf's" },
        { "device_tag/all(dt:dt/tag_key eq 'site')", "Hotel%20&x,alpha,bravo,golf's" },
        { "belongs_to__application/any(a:a/organization eq 1)", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "belongs_to__application/any(a:startswith(a/slug,'one/') and a/is_for__device_type/any(dt:dt/is_of__cpu_architecture/any(c:c/slug eq 'aarch64')))", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "belongs_to__application/any(a:a/is_for__device_type/any(dt:dt/is_of__cpu_architecture eq 2))", "" },
        { "is_of__device_type/any(dt:dt/slug in ('pi'))", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "image_install/any(ii:ii/installs__image/any(i:i/is_a_build_of__service/any(s:s/service_name eq 'sidecar')) and ii/status eq 'Running')", "delta" },
        { "image_install/any(ii:ii/image/any(i:i/id eq 2) and ii/status ne 'Running')", "charlie" },
        { "should_be_running__release/any(r:r/commit eq 'aabb')", "golf's" },
        { "should_be_running__release eq 1", "Hotel%20&x,alpha,bravo,charlie,delta" },
        { "device_tag/any(t:t/device/any(d:d/device_name eq 'alpha') and t/value eq 'oslo')", "alpha" },
        { "device_tag/any(t:t/tag_key eq 'site' and device_name eq 'bravo')", "bravo" },
        // counts, with and without a filter of their own
        { "device_tag/$count eq 0", "Hotel%20&x,golf's" },
        { "device_tag/$count ge 2", "charlie" },
        { "device_tag/$count($filter=tag_key eq 'site') gt 0", "alpha,bravo,charlie" },
        // in, and not
        { "id in (1,3,999)", "alpha,charlie" },
        { "id in (3)", "charlie" },
        { "overall_status in ('operational','updating')", "delta,golf's" },
        { "not(overall_status in ('operational','updating'))", "Hotel%20&x,alpha,bravo,charlie" },
        { "update_status in ('done',null)", "Hotel%20&x,alpha,bravo,charlie,delta" },
        { "not(update_status in ('done'))", "Hotel%20&x,alpha,bravo,golf's" },
        // texts
        { "startswith(device_name,'ch')", "charlie" },
        { "startswith(uuid,'')", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "endswith(device_name,'a')", "alpha,delta" },
        { "contains(device_name,'%20&')", "Hotel%20&x" },
        { "contains(device_name,'f''s')", "golf's" },
        { "contains(device_name,'HOTEL')", "" },
        { "tolower(device_name) eq 'hotel%20&x'", "Hotel%20&x" },
        { "toupper(device_name) eq 'ALPHA'", "alpha" },
        { "length(device_name) eq 7", "charlie" },
        { "concat(device_name,uuid) eq 'alphaaaa1'", "alpha" },
        { "substring(device_name,1,2) eq 'lp'", "alpha" },
        { "contains(device_name,'_')", "" },
        { "startswith(device_name,'%')", "" },
        { "device_name eq 'golf''s'", "golf's" },
        { "indexof(device_name,'l') eq 1", "alpha" },
        { "indexof(device_name,'zz') eq -1 and id eq 2", "bravo" },
        { "substring(uuid,indexof(uuid,'1')) eq '1'", "alpha" },
        { "replace(device_name,'al','x') eq 'xpha'", "alpha" },
        { "tolower('ÀΩДẞ𐐀') eq 'àωдß𐐨' and id eq 1", "alpha" },
        { "toupper('àωдß𐐨') eq 'ÀΩДß𐐀' and id eq 1", "alpha" },
        { "startswith(device_name,'al') eq true", "alpha" },
        { "startswith(device_name,'al') eq false and id lt 3", "bravo" },
        // dates
        { "created_at gt datetime'2026-11-01T00:00:00.000Z'", "alpha" },
        { "created_at gt datetime'2026-11-01T00:00:00.0Z'", "alpha" },
        { "created_at gt '2026-11-01T00:00:00.000Z'", "alpha" },
        { "created_at gt 2026-11-01T00:00:00Z", "alpha" },
        { "created_at eq datetime'2026-11-22T21:16:02.123Z'", "alpha" },
        { "created_at lt (now() add duration'PT1H') and created_at gt (now() sub duration'PT1H')", "alpha" },
        { "year(created_at) eq 2026", "alpha" },
        { "year(created_at) eq 1970 and month(created_at) eq 1 and day(created_at) eq 1 and id eq 2", "bravo" },
        { "month(created_at) eq 11 and day(created_at) eq 22 and hour(created_at) eq 21 and minute(created_at) eq 16 and second(created_at) eq 2", "alpha" },
        { "fractionalseconds(created_at) eq 0.123", "alpha" },
        { "date(created_at) eq 2026-11-22", "alpha" },
        { "date(created_at) eq '2026-11-22'", "alpha" },
        { "time(created_at) gt time'21:16:00'", "alpha" },
        { "time(created_at) eq '21:16:02.123'", "alpha" },
        { "hour(datetime'1969-12-31T23:30:00Z') eq 23 and id eq 1", "alpha" },
        { "totaloffsetminutes(created_at) eq 0 and id eq 1", "alpha" },
        { "totalseconds(now() sub created_at) lt 3600", "alpha" },
        { "totalseconds(duration'PT1M') eq 60 and id eq 1", "alpha" },
        { "created_at gt mindatetime() and created_at lt maxdatetime() and id eq 1", "alpha" },
        // numbers made whole
        { "round(overall_progress div 10.0) eq 5", "golf's" },
        { "floor(overall_progress div 10.0) eq 4", "golf's" },
        { "ceiling(overall_progress div 10.0) eq 5", "golf's" },
        { "round(2.5) eq 3 and floor(-2.5) eq -3 and ceiling(-2.5) eq -2 and id eq 1", "alpha" },
        // a text and a number are never equal, and neither comes first
        { "device_name eq 5", "" },
        { "5 eq device_name", "" },
        { "device_name ne 5", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "device_name gt 5 or device_name le 5", "" },
        { "device_name in (1,2)", "" },
        { "not(device_name eq 5)", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "id eq 'x'", "" },
        { "id ne 'x'", "Hotel%20&x,alpha,bravo,charlie,delta,golf's" },
        { "id in ('x',1)", "alpha" },
        { "belongs_to__application eq 'x'", "" },
        { "device_name eq id", "" },
        { "1 eq 'x' or 1 lt 'x'", "" },
        { "contains(uuid,1)", "alpha" },
        { "is_online eq 'true'", "delta" },
        // numbers, flags, sides, constants, doubled terms
        { "overall_progress ge 45", "golf's" },
        { "overall_progress gt 44.5", "golf's" },
        { "overall_progress add 5 eq 50", "golf's" },
        { "overall_progress div 0 eq null and id eq 5", "golf's" },
        { "is_connected_to_vpn eq true", "delta" },
        { "is_online", "delta" },
        { "not is_online and is_active", "Hotel%20&x,charlie,golf's" },
        { "'alpha' eq device_name", "alpha" },
        { "45 le overall_progress", "golf's" },
        { "id eq '1'", "alpha" },
        { "1 eq 1 and id eq 1", "alpha" },
        { "true and (id eq 1)", "alpha" },
        { "id eq 1 and id eq 1", "alpha" },
        { "(id eq 1) or (id eq 2)", "alpha,bravo" },
        { "id eq 1 or id eq 2 and id eq 3", "alpha" },
        { "api_heartbeat_state eq 'online' and (update_status eq 'done' or overall_status eq 'operational')", "charlie,delta" },
        { "not(api_heartbeat_state eq 'online' or overall_status eq 'disconnected')", "alpha,bravo" },
        { "belongs_to__application/app_name eq 'zoo' and id le 1", "alpha" },
        { "is_running__release/commit ne 'aaaa' and id gt 3", "Hotel%20&x,golf's" },
        { "device_config_variable/any(v:v/name eq 'BALENA_SUPERVISOR_VPN_CONTROL' and v/value eq 'false')", "delta" },
        { "service_install/any(si:si/installs__service/any(s:s/service_name eq 'main')) and id eq 1", "alpha" },
    };

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Filters_give_the_devices_they_should(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        var wrong = new List<string>();
        foreach (var row in Filters)
        {
            var (filter, expected) = row.Data;
            var url = $"/v7/device?$select=device_name&$orderby=device_name asc&$filter={Uri.EscapeDataString($"belongs_to__application eq 1 and ({filter})")}";
            var names = string.Join(',', (await database.AskAsync(url, Zoo.Anna)).Select(d => (string)d!["device_name"]!));
            if (names != expected)
                wrong.Add($"{filter}: '{names}' instead of '{expected}'");
        }

        Assert.Empty(wrong);
    }

    /// <summary>Whole requests, and the rows (in ' for ") they must give.</summary>
    public static TheoryData<string, string> Requests => new()
    {
        { "device(1)?$select=id,belongs_to__application,is_running__release", "[{'id':1,'belongs_to__application':{'__id':1},'is_running__release':null}]" },
        { "device(3)?$select=id,id,is_running__release,id", "[{'id':3,'is_running__release':{'__id':1}}]" },
        { "device(uuid='ccc3')?$select=id", "[{'id':3}]" },
        { "device(uuid=@u)?@u='ccc3'&$select=id", "[{'id':3}]" },
        { "device?$filter=uuid%20eq%20@u%20and%20belongs_to__application%20eq%20@app&$select=id&@u=%27ccc3%27&@app=1", "[{'id':3}]" },
        { "device?$filter=uuid+eq+'ccc3'&$select=id", "[{'id':3}]" },
        { "device(999)", "[]" },
        { "application(slug='one%2Fzoo')?$select=id", "[{'id':1}]" },
        { "application(slug='one/zoo')?$select=id", "[{'id':1}]" },
        { "organization(id=1)?$select=handle", "[{'handle':'one'}]" },
        { "service(service_name='main',application=1)?$select=id", "[{'id':1}]" },
        { "device_config_variable(device=4,name='BALENA_SUPERVISOR_VPN_CONTROL')?$select=value", "[{'value':'false'}]" },
        { "release_image(image=1,is_part_of__release=1)?$select=id", "[{'id':1}]" },
        { "image__is_part_of__release(1)?$select=id", "[{'id':1}]" },
        { "device(3)?$select=id&$filter=overall_status%20eq%20'operational'", "[]" },
        { "release(1)?$top=1&$select=id&$filter=id%20eq%201&$orderby=created_at%20desc", "[{'id':1}]" },
        { "device('abc')", "[]" },
        { "device(uuid=5)?$select=id", "[]" },
        { "device_type_alias(2)?$select=is_referenced_by__alias,device_type", "[{'is_referenced_by__alias':'old-pi','device_type':{'__id':1}}]" },
        { "device_type_alias?$select=id&$filter=device_type%20eq%202", "[{'id':3}]" },
        // of an option given twice the last counts, also inside an expand; "&" separates there too
        { "device?$select=uuid&$filter=id%20eq%203&$top=0&$select=id&$filter=id%20eq%201&$top=5", "[{'id':1}]" },
        { "application(1)?$select=id&$expand=owns__device($select=uuid;$top=3;$select=id;$top=1;$orderby=id%20asc)", "[{'id':1,'owns__device':[{'id':1}]}]" },
        { "application(1)?$select=id&$expand=owns__device($select=id&$orderby=id%20asc&$top=1)", "[{'id':1,'owns__device':[{'id':1}]}]" },
        { "device?$select=id&$filter=id%20eq%201&$format=application/json;odata.metadata=none&$count=true&$inlinecount=allpages", "[{'id':1}]" },
        // keys: one's own, unless an actor is named
        { "api_key?$select=id", "[{'id':1}]" },
        { "api_key?$select=id&$filter=name%20ne%20'x'", "[{'id':1}]" },
        { "api_key?$select=id&$filter=is_of__actor%20eq%20201", "[{'id':3}]" },
        { "api_key(4)?$select=id", "[{'id':4}]" },
        { "api_key?$select=id&$filter=expiry_date%20eq%20null%20or%20expiry_date%20gt%20datetime'2026-11-22T00:00:00Z'", "[{'id':1}]" },
        { "api_key?$select=id&$filter=expiry_date%20lt%20now()", "[]" },
        // embedded rows: none, one and many are arrays; a count replaces the property
        { "device(1)?$select=id&$expand=is_of__device_type($select=slug),is_running__release($select=commit),device_tag($select=value)", "[{'id':1,'is_of__device_type':[{'slug':'pi'}],'is_running__release':[],'device_tag':[{'value':'oslo'}]}]" },
        { "device(1)?$select=id,belongs_to__application&$expand=belongs_to__application($select=id;$expand=should_be_running__release($select=id))", "[{'id':1,'belongs_to__application':[{'id':1,'should_be_running__release':[{'id':1}]}]}]" },
        { "application(1)?$select=id&$expand=owns__device($select=device_name;$filter=api_heartbeat_state%20eq%20'online';$orderby=device_name%20desc;$top=2)", "[{'id':1,'owns__device':[{'device_name':'golf\\u0027s'},{'device_name':'delta'}]}]" },
        { "application(1)?$select=id&$expand=owns__device($select=id;$orderby=device_name%20asc;$top=1;$skip=1)", "[{'id':1,'owns__device':[{'id':1}]}]" },
        { "application(1)?$select=id&$expand=owns__device($select=device_name;$filter=device_tag/any(t:t/tag_key%20eq%20'rack'))", "[{'id':1,'owns__device':[{'device_name':'charlie'},{'device_name':'delta'}]}]" },
        { "application(1)?$select=id&$expand=owns__device/$count", "[{'id':1,'owns__device':6}]" },
        { "application(1)?$select=id&$expand=owns__device/$count($filter=overall_status%20eq%20'inactive')", "[{'id':1,'owns__device':2}]" },
        { "application(1)?$select=id&$expand=owns__device/$count($filter=startswith(device_name,'a'))", "[{'id':1,'owns__device':1}]" },
        { "device(3)?$select=id&$expand=image_install($select=status;$filter=status%20ne%20'deleted';$expand=installs__image($select=id;$expand=is_a_build_of__service($select=service_name;$expand=application($select=slug))))",
            "[{'id':3,'image_install':[{'status':'Running','installs__image':[{'id':1,'is_a_build_of__service':[{'service_name':'main','application':[{'slug':'one/zoo'}]}]}]},{'status':'exited','installs__image':[{'id':2,'is_a_build_of__service':[{'service_name':'sidecar','application':[{'slug':'one/zoo'}]}]}]}]}]" },
        { "image_install(1)?$select=id&$expand=image($select=id),is_provided_by__release($select=id)", "[{'id':1,'image':[{'id':1}],'is_provided_by__release':[{'id':1}]}]" },
        { "device_service_environment_variable?$filter=service_install/any(si:si/device%20eq%203)%20and%20service_install/any(si:si/installs__service/any(s:s/service_name%20eq%20'main'))&$select=value,service_install&$expand=service_install($select=id;$expand=installs__service($select=service_name))",
            "[{'value':'x','service_install':[{'id':3145729,'installs__service':[{'service_name':'main'}]}]}]" },
        { "device_service_environment_variable?$filter=service_install%20eq%203145729&$select=service_install", "[{'service_install':{'__id':3145729}}]" },
        { "device_service_environment_variable(service_install=3145729,name='SV')?$select=value", "[{'value':'x'}]" },
        { "service_install(3145729)?$select=device,installs__service", "[{'device':{'__id':3},'installs__service':{'__id':1}}]" },
        { "service_install?$select=id&$filter=device%20eq%203%20and%20installs__service%20eq%201", "[{'id':3145729}]" },
        // order and paging; without a direction it is descending, at every depth and for every key by itself
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=id&$top=2", "[{'id':6},{'id':5}]" },
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=is_active%20asc,id&$top=2", "[{'id':2},{'id':1}]" },
        { "application(1)?$select=id&$expand=owns__device($select=id;$orderby=id;$top=2)", "[{'id':1,'owns__device':[{'id':6},{'id':5}]}]" },
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=device_tag/$count%20desc,device_name%20asc&$top=3", "[{'id':3},{'id':1},{'id':2}]" },
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=belongs_to__application/app_name%20asc,device_name%20desc&$top=2", "[{'id':5},{'id':4}]" },
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=overall_progress%20asc&$top=1", "[{'id':5}]" },
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=overall_progress%20desc&$skip=5", "[{'id':5}]" },
        { "device?$select=id&$filter=belongs_to__application%20eq%201&$orderby=update_status%20asc,id%20desc&$top=2", "[{'id':4},{'id':3}]" },
        { "device?$top=0", "[]" },
        { "device?$orderby=device_name&$top=3&$skip=100", "[]" },
        { "device?$top=1&$count=true&$select=id&$filter=id%20eq%201", "[{'id':1}]" },
        // values
        { "device(1)?$select=created_at,is_online,last_vpn_event", "[{'created_at':'2026-11-22T21:16:02.123Z','is_online':false,'last_vpn_event':null}]" },
        { "device(4)?$select=is_online,is_connected_to_vpn,last_vpn_event,api_heartbeat_state,overall_status", "[{'is_online':true,'is_connected_to_vpn':true,'last_vpn_event':'2026-11-22T21:16:02.000Z','api_heartbeat_state':'online','overall_status':'operational'}]" },
        { "device(5)?$select=should_be_running__release,is_pinned_on__release,overall_progress,update_status", "[{'should_be_running__release':{'__id':2},'is_pinned_on__release':{'__id':2},'overall_progress':45,'update_status':'downloading'}]" },
        { "device(4)?$select=muster_status_reason,muster_last_contact_at,muster_status_changes_at", "[{'muster_status_reason':'all-links-work','muster_last_contact_at':'2026-11-22T21:16:01.000Z','muster_status_changes_at':'2026-11-22T21:32:30.000Z'}]" },
        { "device(3)?$select=muster_status_changes_at", "[{'muster_status_changes_at':'2026-11-22T21:32:45.000Z'}]" },
        { "device(6)?$select=muster_status_changes_at", "[{'muster_status_changes_at':null}]" },
        { "release(1)?$select=composition,raw_version,version,semver", "[{'composition':{'services':{'main':{}}},'raw_version':'1.0.0','version':{'raw':'1.0.0','major':1,'minor':0,'patch':0,'version':'1.0.0','prerelease':[],'build':[]},'semver':'1.0.0'}]" },
        { "release(2)?$select=raw_version,version", "[{'raw_version':'1.2.3-rc.1+dev.rev2','version':{'raw':'1.2.3-rc.1+dev.rev2','major':1,'minor':2,'patch':3,'version':'1.2.3-rc.1','prerelease':['rc','1'],'build':['dev','rev2']}}]" },
        { "release(3)?$select=raw_version,revision", "[{'raw_version':'2.0.0-3000','revision':null}]" },
        { "image(1)?$select=image_size", "[{'image_size':'12345678901'}]" },
        { "api_key?$select=id,key,name&$filter=is_of__actor%20eq%20101%20and%20name%20ne%20null", "[{'id':1,'key':null,'name':'annas'}]" },
        { "application?$select=id&$filter=is_directly_accessible_by__user/any(dau:1%20eq%201)", "[{'id':1}]" },
        { "organization?$select=id&$filter=organization_membership/any(orm:orm/user%20eq%201)", "[{'id':1}]" },
        { "device_history?$filter=created_at%20ge%20datetime'2026-11-01T00:00:00.000Z'%20and%20uuid%20eq%20'ddd4'&$select=uuid,muster_to", "[{'uuid':'ddd4','muster_to':'operational'}]" },
        { "device_type?$select=id&$top=1&$orderby=name%20asc&$filter=device_type_alias/any(dta:dta/is_referenced_by__alias%20eq%20'old-pi')", "[{'id':1}]" },
        { "release?$select=id&$filter=startswith(commit,'aa')&$orderby=semver_major%20desc,semver_minor%20desc,semver_patch%20desc,revision%20desc", "[{'id':2},{'id':1}]" },
    };

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Requests_give_the_rows_they_should(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        var wrong = new List<string>();
        foreach (var row in Requests)
        {
            var (url, expected) = row.Data;
            var text = await database.AskTextAsync("/v7/" + url, Zoo.Anna);
            if (text.Replace("golf's", "golf\\u0027s", StringComparison.Ordinal) != expected)
                wrong.Add($"{url}: {text} instead of {expected}");
        }

        Assert.Empty(wrong);
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Version_6_has_its_older_names_and_words(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        Assert.Equal("[{'actor':305,'should_be_running__release':{'__id':2},'overall_status':'updating'}]", await database.AskTextAsync("/v6/device(5)?$select=actor,should_be_running__release,overall_status", Zoo.Anna));
        Assert.Equal("[{'id':4},{'id':3}]", (await database.AskTextAsync("/v6/device?$select=id&$filter=overall_status eq 'idle'&$orderby=id desc", Zoo.Anna)));
        Assert.Equal("[{'id':6},{'id':5}]", await database.AskTextAsync("/v6/device?$select=id&$filter=belongs_to__application eq 1&$orderby=id&$top=2", Zoo.Anna));
        Assert.Equal(2, await database.CountAsync("/v6/device/$count?$filter=overall_status eq 'idle'", Zoo.Anna));
        Assert.Equal(1, await database.CountAsync("/v6/device/$count?$filter=overall_status eq 'offline'", Zoo.Anna));
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task Counts_are_the_same_kept_or_counted(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        string[] filters =
        [
            "id gt 0", "overall_status eq 'operational'", "overall_status ne 'operational'", "overall_status in ('operational','updating')", "update_status eq null",
            "update_status ne 'done'", "update_status eq 'none'", "api_heartbeat_state eq 'online'", "is_online eq true", "is_connected_to_vpn ne true", "is_running__release eq null",
            "is_running__release in (1,2)", "belongs_to__application eq 1 and overall_status eq 'inactive'", "belongs_to__application in (1,2) and update_status eq 'done'",
            "belongs_to__application eq 99", "belongs_to__application eq 1",
        ];
        foreach (var scope in new[] { Zoo.Anna, Zoo.Bert, Zoo.Tunnel, ReadScope.Everything })
        {
            foreach (var filter in filters)
            {
                var kept = await database.CountAsync($"/v7/device/$count?$filter={filter}", scope);
                var counted = (await database.IdsAsync($"/v7/device?$filter={filter}", scope)).Count;
                Assert.True(kept == counted, $"{filter}: {kept} kept, {counted} counted");
            }

            Assert.Equal((await database.IdsAsync("/v7/device", scope)).Count, await database.CountAsync("/v7/device/$count", scope));
        }
    }

    [Theory, MemberData(nameof(TestDatabases.Kinds), MemberType = typeof(TestDatabases))]
    public async Task What_the_model_does_not_know_is_refused(string kind)
    {
        await using var database = await Zoo.CreateAsync(kind);
        foreach (var url in new[]
        {
            "device?$select=nope", "device?$filter=nope eq 1", "device?$expand=nope", "device?$orderby=nope", "device?$filter=device_tag/any(t:t/nope eq 1)",
            "device?$filter=device_tag/tag_key eq 'x'", "device?$filter=device_name", "device?$filter=nope(1)",
            "device(device_name='alpha')", "device?$filter=created_at gt 'yesterday'", "device?$filter=device_name eq 'a\0'", "device?$orderby=1", "device?$expand=device_tag,device_tag",
        })
        {
            var refused = await Assert.ThrowsAsync<QueryRefusedException>(() => database.AskAsync("/v7/" + url, Zoo.Anna));
            Assert.Equal(QueryRefusal.Invalid, refused.Refusal);
        }

        foreach (var url in new[] { "nosuchresource", "$metadata", "team", "device_family" })
            Assert.Equal(QueryRefusal.NotPermitted, (await Assert.ThrowsAsync<QueryRefusedException>(() => database.AskAsync("/v7/" + url, Zoo.Anna))).Refusal);
    }
}
