// Focuses the text input of a widget once, when the component is mounted.
const INTERVAL = 50 // milliseconds
const ATTEMPTS = 20
const mounted = new WeakSet()

export default function ({ data, parentElement }) {
  if (mounted.has(parentElement)) return
  mounted.add(parentElement)
  let attemptsLeft = ATTEMPTS
  let wasFocused = false
  const focus = () => {
    const input = document.querySelector(SELECTORS.textInput(data.key))
    if (input && !wasFocused) {
      input.focus({ preventScroll: true })
      wasFocused = document.activeElement === input
    }
    // Repeated, because Streamlit may still scroll to the end of the page.
    if (input && document.activeElement === input) input.scrollIntoView({ block: "nearest" })
    if (--attemptsLeft) setTimeout(focus, INTERVAL)
  }
  focus()
}
