// Copies the text of a pressed copy button to the clipboard. One listener serves all buttons.
const LABEL_DURATION = 1500 // milliseconds

async function write(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // The Clipboard API requires a secure context, which plain HTTP is not.
    const box = document.createElement("textarea")
    box.value = text
    document.body.append(box)
    box.select()
    document.execCommand("copy")
    box.remove()
  }
}

async function copy(event) {
  const button = event.target.closest?.(SELECTORS.copyButton)
  if (!button) return
  const bytes = Uint8Array.from(atob(button.dataset.copies), (char) => char.charCodeAt(0))
  await write(new TextDecoder().decode(bytes))
  const label = button.querySelector("span")
  button.dataset.done = ""
  label.textContent = "Copied"
  setTimeout(() => {
    delete button.dataset.done
    label.textContent = "Copy"
  }, LABEL_DURATION)
}

export default function () {
  if (window.parleyClipboard) return
  window.parleyClipboard = true
  document.addEventListener("click", copy)
}
