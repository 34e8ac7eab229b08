// Loaded before the page is painted: light or dark as was chosen here, or in the dashboard, before.
// Without a choice the style sheet follows the system.
try {
  const chosen = localStorage.getItem("rtmon-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A page without storage follows the system.
}
