// Brings into view what was asked for, and lets the reader's place be.
const done = new WeakMap()
const SIDEBAR = '[data-testid="stSidebar"]'
const PAGE = '[data-testid="stAppScrollToBottomContainer"]'
const UPWARDS = new Set(["ArrowUp", "PageUp", "Home"])
const DOWNWARDS = new Set(["ArrowDown", "PageDown", "End"])
const OPENS = // something else than what is in view
  "a, :is(.st-key-new_chat, .st-key-new_temporary, .st-key-delete_conversation," +
  ' [class*="st-key-open_"], [class*="st-key-found_"]) button'

function leave({ target }) {
  const isNarrow = innerWidth <= 768 // as Streamlit sees it
  if (isNarrow && target.closest?.(SIDEBAR) && target.closest(OPENS)) setTimeout(uncover)
}

function uncover() {
  document.querySelector(`${SIDEBAR} [data-testid="stSidebarCollapseButton"] button`)?.click()
  let left = 20
  const focus = () => {
    // What was pressed is out of view; in the composer it would bring up a phone's keyboard.
    const back = document.querySelector('[data-testid="stExpandSidebarButton"]')
    if (back) back.focus({ preventScroll: true })
    else if (left--) setTimeout(focus, 50)
  }
  focus()
}

// Once the page stood at its end, Streamlit follows the end, against a reader who scrolls up while
// a reply grows, and for a while against a message that was looked for. Nothing tells it not to: so
// the property by which it scrolls does nothing while the page is held.
let isHeld = false
let heldAt = 0 // the last turn upwards, in milliseconds
const MOVES = 300 // milliseconds until a turn of the wheel has moved the page
const AT_END = 40 // pixels
const STILL = 30 // frames without growth
let stood = 0 // where the page was at the last look
let tall = 0 // how high it was at the last turn downwards; it may have grown since
let following = null // the one that goes on

function watch(page) {
  if (Object.hasOwn(page, "scrollTop")) return
  const { get, set } = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop")
  Object.defineProperty(page, "scrollTop", {
    get,
    set(top) {
      if (!isHeld) set.call(page, top)
    },
  })
  const look = () => {
    const height = Math.min(page.scrollHeight, tall || page.scrollHeight)
    const isBack = page.scrollTop > stood && page.scrollTop + page.clientHeight > height - AT_END
    stood = page.scrollTop
    if (isHeld && isBack && performance.now() - heldAt > MOVES) follow(page)
  }
  page.addEventListener("scroll", look, { passive: true })
}

function hold() {
  isHeld = true
  heldAt = performance.now()
}

// To the end, and with it as long as it grows; then Streamlit takes it up, for it finds the page at
// its end and nothing new since it last looked. A focus lets it forget what has grown.
function follow(page) {
  isHeld = false
  const mine = (following = {})
  let frames = STILL
  let height = 0
  const next = () => {
    if (isHeld || following !== mine || !frames--) return
    if (page.scrollHeight !== height) frames = STILL
    height = page.scrollHeight
    page.scrollTo({ top: height })
    page.dispatchEvent(new FocusEvent("focus"))
    requestAnimationFrame(next)
  }
  next()
}

function turned({ type, deltaY, key }) {
  if (type === "wheel") return Math.sign(deltaY)
  if (type === "touchmove") return 0 // either way
  return UPWARDS.has(key) ? -1 : DOWNWARDS.has(key) ? 1 : null
}

function turn(event) {
  const isNowhere = event.target === document.body // a key, and nothing has the focus
  const page = isNowhere ? document.querySelector(PAGE) : event.target.closest?.(PAGE)
  const way = turned(event)
  if (!page || way === null) return
  if (way >= 0) tall = page.scrollHeight
  if (way > 0 || page.scrollTop <= 0) return
  const top = Math.max(stood, page.scrollTop) // some browsers scroll before they tell
  const wasHeld = isHeld
  hold()
  // Something within the page may have scrolled, or nothing at all.
  if (!wasHeld) setTimeout(() => (isHeld &&= page.scrollTop < top), MOVES)
}

if (!window.parleyScrolls) {
  window.parleyScrolls = true
  document.addEventListener("click", leave, true)
  for (const kind of ["wheel", "touchmove", "keydown"])
    document.addEventListener(kind, turn, { capture: true, passive: true })
  document.addEventListener("pointerdown", () => (following = null), true)
}

export default function ({ data, parentElement }) {
  const page = document.querySelector(PAGE)
  if (page) watch(page)
  if (!page || !data.to || done.get(parentElement) === data.to) return
  done.set(parentElement, data.to)
  if (!data.message) return follow(page)
  hold()
  const app = document.querySelector('[data-testid="stApp"]')
  let left = 200
  let still = 60 // looks after the script has ended; a slow browser draws later
  const theirs = new AbortController() // whoever scrolls now is let go
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"])
    addEventListener(kind, () => (left = 0), { signal: theirs.signal, passive: true })
  const toPlace = () => {
    if (left <= 0 || !still) return theirs.abort()
    const actions = document.querySelector(`.st-key-actions_${data.message}`)
    actions?.closest('[data-testid="stChatMessage"]').scrollIntoView({ block: "start" })
    left -= 1
    if (app.dataset.testScriptState === "notRunning") still -= 1
    setTimeout(toPlace, 50) // what is wanted is still being drawn
  }
  toPlace()
}
