// Runs before the first paint: the theme. Later: the buttons that need no server, and what a lost connection says.
(() => {
  const KEY = "retiarii-theme";
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

  function chosenTheme() {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system"; // storage is blocked in this browser
    }
  }

  function applyTheme() {
    const choice = chosenTheme();
    const isDark = choice === "dark" || (choice === "system" && prefersDark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    window.Quasar?.Dark.set(isDark);
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  }

  function chooseTheme(choice) {
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // it lasts until the page is left
    }
    applyTheme();
  }

  async function copyText(button) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (button.textContent = label), 1500);
  }

  document.addEventListener("click", (event) => {
    const theme = event.target.closest?.("[data-theme-choice]");
    if (theme) chooseTheme(theme.dataset.themeChoice);
    const copy = event.target.closest?.("[data-copy]");
    if (copy) copyText(copy);
  });

  function explainLostConnection() {
    const command = document.querySelector('meta[name="retiarii-command"]')?.content || "retiarii dashboard";
    const popup = document.getElementById("popup");
    if (!popup) return;
    popup.setAttribute("role", "status");
    popup.replaceChildren(
      Object.assign(document.createElement("span"), {
        textContent:
          `The dashboard's server does not answer. The experiment is not affected. If the server has ended, ` +
          `start it again with "${command}"; this page then goes on by itself.`,
      }),
    );
  }

  applyTheme();
  prefersDark.addEventListener("change", applyTheme);
  window.addEventListener("storage", (event) => event.key === KEY && applyTheme());
  document.addEventListener("visibilitychange", () => emitEvent("retiarii_visible", !document.hidden));
  document.addEventListener("DOMContentLoaded", explainLostConnection);
  window.addEventListener("load", applyTheme); // the buttons and Quasar exist now
})();
