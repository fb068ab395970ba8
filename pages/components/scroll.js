// Scrolls to the end or to a message on request, and otherwise keeps the reader's position.
const MOBILE_WIDTH = 768 // pixels, Streamlit's own breakpoint
const INTERVAL = 50 // milliseconds
const FOCUS_ATTEMPTS = 20
const SCROLL_ATTEMPTS = 200
const ATTEMPTS_AFTER_RUN = 60 // a slow browser renders after the script run has ended
const UPWARD_KEYS = new Set(["ArrowUp", "PageUp", "Home"])
const DOWNWARD_KEYS = new Set(["ArrowDown", "PageDown", "End"])
const SCROLL_EVENTS = ["wheel", "touchmove", "keydown"]
const handled = new WeakMap() // the last request, by mount

// On a narrow screen the sidebar covers the page: collapse it when something was opened from it.
function onNavigate({ target }) {
  const isNarrow = innerWidth <= MOBILE_WIDTH
  const isInSidebar = target.closest?.(SELECTORS.sidebar)
  if (isNarrow && isInSidebar && target.closest(SELECTORS.navigation)) setTimeout(collapseSidebar)
}

function collapseSidebar() {
  document.querySelector(SELECTORS.collapseSidebarButton)?.click()
  let attemptsLeft = FOCUS_ATTEMPTS
  const focus = () => {
    // The pressed button is hidden now. Focusing the composer would open the on-screen keyboard.
    const button = document.querySelector(SELECTORS.expandSidebarButton)
    if (button) button.focus({ preventScroll: true })
    else if (attemptsLeft--) setTimeout(focus, INTERVAL)
  }
  focus()
}

// Once the page was at its end, Streamlit 1.67 keeps scrolling to the end while content grows, even
// if the reader scrolls up or a message was requested. There is no option to turn this off, so the
// setter of scrollTop, through which it scrolls, is disabled while the position is held.
let isHeld = false
let heldAt = 0 // time of the last upward scroll, in milliseconds
const WHEEL_DELAY = 300 // milliseconds until a wheel event has moved the page
const END_TOLERANCE = 40 // pixels
const STABLE_FRAMES = 30 // frames without growth after which following ends
let lastTop = 0 // scrollTop at the last scroll event
let heightAtDownwardScroll = 0 // scrollHeight at the last downward scroll; may have grown since
let following = null // token of the loop that follows the end

function observe(page) {
  if (Object.hasOwn(page, "scrollTop")) return
  const { get, set } = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop")
  Object.defineProperty(page, "scrollTop", {
    get,
    set(top) {
      if (!isHeld) set.call(page, top)
    },
  })
  const onScroll = () => {
    const height = Math.min(page.scrollHeight, heightAtDownwardScroll || page.scrollHeight)
    const isAtEnd = page.scrollTop + page.clientHeight > height - END_TOLERANCE
    const hasReturned = page.scrollTop > lastTop && isAtEnd
    lastTop = page.scrollTop
    if (isHeld && hasReturned && performance.now() - heldAt > WHEEL_DELAY) follow(page)
  }
  page.addEventListener("scroll", onScroll, { passive: true })
}

function hold() {
  isHeld = true
  heldAt = performance.now()
}

// Scroll to the end until the page stops growing. Streamlit then continues on its own, because it
// finds the page at its end. The focus event resets the height that it compares with.
function follow(page) {
  isHeld = false
  const token = (following = {})
  let framesLeft = STABLE_FRAMES
  let height = 0
  const next = () => {
    if (isHeld || following !== token || !framesLeft--) return
    if (page.scrollHeight !== height) framesLeft = STABLE_FRAMES
    height = page.scrollHeight
    page.scrollTo({ top: height })
    page.dispatchEvent(new FocusEvent("focus"))
    requestAnimationFrame(next)
  }
  next()
}

// Returns -1 for up, 1 for down, 0 if unknown, null if the event does not scroll.
function direction({ type, deltaY, key }) {
  if (type === "wheel") return Math.sign(deltaY)
  if (type === "touchmove") return 0
  return UPWARD_KEYS.has(key) ? -1 : DOWNWARD_KEYS.has(key) ? 1 : null
}

function onScrollInput(event) {
  const isUnfocusedKey = event.target === document.body
  const page = isUnfocusedKey
    ? document.querySelector(SELECTORS.page)
    : event.target.closest?.(SELECTORS.page)
  const sign = direction(event)
  if (!page || sign === null) return
  if (sign >= 0) heightAtDownwardScroll = page.scrollHeight
  if (sign > 0 || page.scrollTop <= 0) return
  const top = Math.max(lastTop, page.scrollTop) // some browsers scroll before they send the event
  const wasHeld = isHeld
  hold()
  // The event may have scrolled an element inside of the page, or nothing.
  if (!wasHeld) setTimeout(() => (isHeld &&= page.scrollTop < top), WHEEL_DELAY)
}

function scrollToMessage(id) {
  hold()
  const app = document.querySelector(SELECTORS.app)
  let attemptsLeft = SCROLL_ATTEMPTS
  let attemptsAfterRun = ATTEMPTS_AFTER_RUN
  const listeners = new AbortController()
  const cancel = () => (attemptsLeft = 0)
  for (const type of [...SCROLL_EVENTS, "pointerdown"])
    addEventListener(type, cancel, { signal: listeners.signal, passive: true })
  const scroll = () => {
    if (attemptsLeft <= 0 || !attemptsAfterRun) return listeners.abort()
    const actions = document.querySelector(SELECTORS.messageActions(id))
    actions?.closest(SELECTORS.chatMessage).scrollIntoView({ block: "start" })
    attemptsLeft -= 1
    if (app.dataset.testScriptState === "notRunning") attemptsAfterRun -= 1
    setTimeout(scroll, INTERVAL) // the message, or those above it, may still be rendered
  }
  scroll()
}

if (!window.parleyScroll) {
  window.parleyScroll = true
  document.addEventListener("click", onNavigate, true)
  for (const type of SCROLL_EVENTS)
    document.addEventListener(type, onScrollInput, { capture: true, passive: true })
  document.addEventListener("pointerdown", () => (following = null), true)
}

export default function ({ data, parentElement }) {
  const page = document.querySelector(SELECTORS.page)
  if (page) observe(page)
  if (!page || !data.to || handled.get(parentElement) === data.to) return
  handled.set(parentElement, data.to)
  if (data.message) scrollToMessage(data.message)
  else follow(page)
}
