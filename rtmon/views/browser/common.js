// Shared by the components of this folder; it stands before each of them.
function element(tag, attributes, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

function download({name, text}) {
  const url = URL.createObjectURL(new Blob([text], {type: "text/csv;charset=utf-8"}))
  element("a", {href: url, download: name}).click()
  setTimeout(() => URL.revokeObjectURL(url), 10000)
}

