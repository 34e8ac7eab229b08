// Sliders, menus and scroll bars are the browser's own: an element has to be told whether the
// notebook around it is dark, now and later. Returns the observer.
function followTheme(node) {
  const follow = () => {
    const {jpThemeLight, vscodeThemeKind} = document.body.dataset
    const dark = jpThemeLight === "false" || /dark|high-contrast$/.test(vscodeThemeKind ?? "")
    node.style.colorScheme = dark ? "dark" : "light"
    // In a view of its own there is no notebook around it to be kept in sight.
    node.classList.toggle("alone", node.closest(".jp-LinkedOutputView") !== null)
  }
  const observer = new MutationObserver(follow)
  observer.observe(document.body, {attributes: true})
  follow()
  return observer
}
