// Apply the theme (light or dark) that the user has chosen on this page or on the dashboard. This script
// runs before the page is painted. Without a choice, the style sheet follows the operating system.
try {
  const chosen = localStorage.getItem("rtmon-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // The browser may block its storage. The theme then follows the operating system.
}
