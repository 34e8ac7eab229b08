// Sets an element's CSS color-scheme to the notebook's theme, light or dark, also when the theme changes.
// The browser draws sliders, menus and scroll bars in that scheme. Returns the MutationObserver.
function followTheme(node) {
  const follow = () => {
    const {jpThemeLight, vscodeThemeKind} = document.body.dataset
    const dark = jpThemeLight === "false" || /dark|high-contrast$/.test(vscodeThemeKind ?? "")
    node.style.colorScheme = dark ? "dark" : "light"
    // In JupyterLab's "New View for Output", no notebook surrounds the output, so its height is not limited.
    node.classList.toggle("alone", node.closest(".jp-LinkedOutputView") !== null)
  }
  const observer = new MutationObserver(follow)
  observer.observe(document.body, {attributes: true})
  follow()
  return observer
}
