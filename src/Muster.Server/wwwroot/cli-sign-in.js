// The person allowed it: hands the token to the CLI that waits on this computer. Without scripts, the button does the same.
document.getElementById("cli-callback")?.submit();
