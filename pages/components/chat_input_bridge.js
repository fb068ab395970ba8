// Connects the page with the text box of st.chat_input: reports the files it holds, turns a long
// paste into a file, executes the page's commands (append text, remove a file, take the draft), and
// keeps a draft in sessionStorage across a refresh and a visit to another screen. A message that
// was sent is kept as well until the server has confirmed it: a connection or a server that ends at
// that moment would lose it.
const SYNC_DELAY = 50 // milliseconds
const REPORT_DELAY = 100 // milliseconds
const LOST_AFTER = 10_000 // milliseconds without a confirmation on the same connection
const GRACE = 3_000 // … and after a new one: the old one may still store the message
const executed = new Set() // ids of commands; the page repeats the latest ones in every run
let page = null // the most recent mount
let reported = "[]"
let isObserving = false
let syncedComposer = null // the composer that the draft was last synchronized with
let confirmTimer = null
let pasteCount = 0 // file names are never reused, even after a file was removed

const textBox = () => document.querySelector(SELECTORS.composerText)
const chips = () => [...document.querySelectorAll(SELECTORS.fileChip)]
const nameOf = (chip) => chip.querySelector(SELECTORS.fileChipName)?.title ?? ""

function uploadState(chip) {
  if (chip.getAttribute("aria-invalid")) return "failed"
  return chip.querySelector(SELECTORS.fileChipSpinner) ? "uploading" : "ready"
}

function syncDraft() {
  const box = textBox()
  if (!box) return
  const storageKey = `parley-draft-${page.data.draftOwner}`
  const saved = sessionStorage.getItem(storageKey)
  // Compares the composer, because Streamlit replaces the textarea after a recording was sent.
  const composer = document.querySelector(SELECTORS.composer)
  const isNew = composer !== syncedComposer
  syncedComposer = composer
  if (isNew && saved && !box.value) setValue(box, saved)
  else if (box.value) sessionStorage.setItem(storageKey, box.value)
  else sessionStorage.removeItem(storageKey)
}

const sentKey = () => `parley-sent-${page.data.draftOwner}`
const readSent = () => JSON.parse(sessionStorage.getItem(sentKey()) ?? "[]")

function writeSent(entries) {
  if (entries.length) sessionStorage.setItem(sentKey(), JSON.stringify(entries))
  else sessionStorage.removeItem(sentKey())
}

function keepSent(text) {
  const { session, handled } = page.data
  const sent = readSent()
  const before = sent.filter((entry) => entry.session === session).length
  const id = crypto.getRandomValues(new Uint32Array(2)).join("-")
  // `number` is the count of messages that the server will have handled with this one.
  sent.push({ id, text, at: Date.now(), session, number: handled + before + 1 })
  writeSent(sent)
  confirmSent()
}

// Drops the messages that have arrived, and asks the server about one that may be lost.
function confirmSent() {
  const { session, handled, resolved } = page.data
  const sent = readSent().filter(
    (entry) =>
      !resolved.includes(entry.id) && (entry.session !== session || entry.number > handled),
  )
  writeSent(sent)
  if (!sent.length) return
  const [oldest] = sent
  const now = Date.now()
  const due = Math.max(
    oldest.at + (oldest.session === session ? LOST_AFTER : GRACE),
    (oldest.asked ?? 0) + LOST_AFTER,
  )
  if (now >= due) {
    oldest.asked = now
    writeSent(sent)
    page.setTriggerValue("unconfirmed", { ...oldest, age: now - oldest.at })
  }
  clearTimeout(confirmTimer)
  confirmTimer = setTimeout(confirmSent, now >= due ? LOST_AFTER + 50 : due - now + 50)
}

// Reads the box before Streamlit submits and clears it.
function onSubmit(event) {
  const text = textBox()?.value ?? ""
  const isEnter = event.type === "keydown" && event.key === "Enter" && event.target === textBox()
  const isButton = event.type === "click" && event.target.closest?.(SELECTORS.composerSubmit)
  if (!text.trim() || !(isEnter || isButton)) return
  // React empties the box before the next task, and nothing can be typed until then.
  setTimeout(() => {
    if (!textBox()?.value) keepSent(text)
  })
}

function report() {
  syncDraft()
  const files = chips().map((chip) => `${uploadState(chip)}:${nameOf(chip)}`)
  const serialized = JSON.stringify(files)
  if (serialized === reported) return
  reported = serialized
  page.setStateValue("files", files)
}

function observe() {
  if (isObserving) return
  isObserving = true
  let timer
  new MutationObserver(() => {
    clearTimeout(timer)
    timer = setTimeout(report, REPORT_DELAY)
  }).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["aria-invalid"],
  })
  document.addEventListener("paste", onPaste, true)
  for (const type of ["keydown", "click"]) document.addEventListener(type, onSubmit, true)
  // A key or click may submit the message and clear the box. Other changes are found by `report`.
  for (const type of ["input", "keydown", "click"])
    document.addEventListener(type, () => setTimeout(syncDraft, SYNC_DELAY))
  document.documentElement.dataset.parleyBox = "ready" // awaited by the browser tests
}

function onPaste(event) {
  const text = event.clipboardData?.getData("text/plain") ?? ""
  if (event.target !== textBox() || !text.trim()) return
  const { longPaste } = page.data
  if (longPaste > 0 && text.length > longPaste) {
    event.preventDefault()
    event.stopPropagation()
    attachAsFile(text)
  } else if (event.clipboardData.files.length) {
    // Office programs add an image of the copied text; insert the text only.
    event.preventDefault()
    event.stopPropagation()
    document.execCommand("insertText", false, text)
  }
}

function attachAsFile(text) {
  pasteCount += 1
  const name = pasteCount > 1 ? `Pasted text ${pasteCount}.txt` : "Pasted text.txt"
  const clipboardData = new DataTransfer()
  clipboardData.items.add(new File([text], name, { type: "text/plain" }))
  const init = { clipboardData, bubbles: true, cancelable: true }
  textBox().dispatchEvent(new ClipboardEvent("paste", init))
}

function setValue(box, text) {
  // React tracks the value through its own setter: call the native one and dispatch the event.
  const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")
  set.call(box, text)
  box.dispatchEvent(new Event("input", { bubbles: true }))
}

function replaceDraft(text) {
  const box = textBox()
  setValue(box, text)
  box.focus()
  box.setSelectionRange(text.length, text.length)
}

function appendToDraft(text) {
  const draft = textBox().value
  replaceDraft(draft + (!draft || /\s$/.test(draft) ? "" : " ") + text)
}

function takeDraft(mayTruncate) {
  const text = textBox().value
  replaceDraft("")
  keepSent(text)
  page.setTriggerValue("taken", { text, mayTruncate })
}

function execute(command, attempts = 40) {
  if (executed.has(command.id)) return
  if (!textBox()) {
    if (attempts) setTimeout(() => execute(command, attempts - 1), 50)
    return
  }
  executed.add(command.id)
  const chip = chips().find((each) => nameOf(each) === command.remove)
  chip?.querySelector("button")?.click()
  if (command.append) appendToDraft(command.append)
  if (command.take) takeDraft(command.take === "truncate")
}

export default function (component) {
  page = component
  observe()
  report()
  confirmSent()
  for (const command of component.data.commands) execute(command)
}
