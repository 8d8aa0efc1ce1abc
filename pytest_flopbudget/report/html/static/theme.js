// The choice between the light and the dark theme.

function offerThemes() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const other = () => ((root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark" ? "light" : "dark");
  const say = () => (button.textContent = `${other() === "dark" ? "Dark" : "Light"} theme`);
  button.addEventListener("click", () => {
    root.dataset.theme = other();
    say();
  });
  dark.addEventListener("change", say);
  say();
}
