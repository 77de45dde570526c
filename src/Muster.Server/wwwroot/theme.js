// Before anything is painted: the theme the person chose, else the system's. Paper is light, charts included.
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  let prints = false;
  const apply = () => {
    document.documentElement.dataset.bsTheme = prints || paper.matches ? "light" : localStorage.getItem("muster-theme") ?? (dark.matches ? "dark" : "light");
    document.dispatchEvent(new Event("muster-theme"));
  };
  dark.addEventListener("change", apply);
  paper.addEventListener("change", apply);
  addEventListener("beforeprint", () => { prints = true; apply(); });
  addEventListener("afterprint", () => { prints = false; apply(); });
  addEventListener("storage", apply);
  window.musterTheme = (theme) => { localStorage.setItem("muster-theme", theme); apply(); };
  apply();
}
