// A visually hidden ARIA live region.
const VISUALLY_HIDDEN = {
  position: "absolute",
  width: "1px",
  height: "1px",
  overflow: "hidden",
  clipPath: "inset(50%)",
}

export default function ({ data, parentElement }) {
  const region = parentElement.querySelector("div")
  if (!region.hasAttribute("role")) {
    region.setAttribute("role", "status")
    Object.assign(region.style, VISUALLY_HIDDEN)
  }
  if (region.textContent !== data.text) region.textContent = data.text
}
