// Before anything is painted: the theme the person chose, else the system's.
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    document.documentElement.dataset.bsTheme = localStorage.getItem("muster-theme") ?? (dark.matches ? "dark" : "light");
    document.dispatchEvent(new Event("muster-theme"));
  };
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  window.musterTheme = (theme) => { localStorage.setItem("muster-theme", theme); apply(); };
  apply();
}
