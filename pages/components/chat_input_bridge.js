// The composer's text box, from the outside: tells which files it holds, makes a file of a very
// long paste, does what the page asks (append text, take a file out), and keeps a draft over a
// refresh and a look at another screen, in this tab alone.
const BOX = ".st-key-composer"
const done = new Set() // commands, by id: the page repeats the latest
let page = null // the newest mount
let told = "[]"
let isWatching = false
let known = null // the box whose draft is kept
let pasted = 0 // names are never used twice, also when a file was taken out

const box = () => document.querySelector(`${BOX} textarea`)
const chips = () => [...document.querySelectorAll(`${BOX} [data-testid="stFileChip"]`)]
const nameOf = (chip) => chip.querySelector('[data-testid="stFileChipName"]')?.title ?? ""

function stateOf(chip) {
  if (chip.getAttribute("aria-invalid")) return "failed"
  return chip.querySelector('[data-testid="stFileChipIconSpinner"]') ? "uploading" : "ready"
}

function keep() {
  const area = box()
  if (!area) return
  const draft = `parley-draft-${page.data.whose}`
  const kept = sessionStorage.getItem(draft)
  // Not the text's own element: it is a new one, too, after a recording that was just sent.
  const whole = document.querySelector(BOX)
  const isNew = whole !== known
  known = whole
  if (isNew && kept && !area.value) enter(area, kept)
  else if (area.value) sessionStorage.setItem(draft, area.value)
  else sessionStorage.removeItem(draft)
}

function tell() {
  keep()
  const names = chips().map((chip) => `${stateOf(chip)}:${nameOf(chip)}`)
  const now = JSON.stringify(names)
  if (now === told) return
  told = now
  page.setStateValue("files", names)
}

function watch() {
  if (isWatching) return
  isWatching = true
  let timer
  new MutationObserver(() => {
    clearTimeout(timer)
    timer = setTimeout(tell, 100)
  }).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["aria-invalid"],
  })
  document.addEventListener("paste", onPaste, true)
  // The last two may have sent it; what else empties the box, `tell` finds in a quiet moment.
  for (const kind of ["input", "keydown", "click"])
    document.addEventListener(kind, () => setTimeout(keep, 50))
  document.documentElement.dataset.parleyBox = "ready"
}

function onPaste(event) {
  const text = event.clipboardData?.getData("text/plain") ?? ""
  if (event.target !== box() || !text.trim()) return
  const { longPaste } = page.data
  if (longPaste > 0 && text.length > longPaste) {
    event.preventDefault()
    event.stopPropagation()
    attach(text)
  } else if (event.clipboardData.files.length) {
    // Office programs put a picture of the text beside it; the text is what was meant.
    event.preventDefault()
    event.stopPropagation()
    document.execCommand("insertText", false, text)
  }
}

function attach(text) {
  pasted += 1
  const name = pasted > 1 ? `Pasted text ${pasted}.txt` : "Pasted text.txt"
  const files = new DataTransfer()
  files.items.add(new File([text], name, { type: "text/plain" }))
  const again = { clipboardData: files, bubbles: true, cancelable: true }
  box().dispatchEvent(new ClipboardEvent("paste", again))
}

function enter(area, text) {
  // React listens to the native setter's event, not to the property.
  const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")
  set.call(area, text)
  area.dispatchEvent(new Event("input", { bubbles: true }))
}

function write(text) {
  const area = box()
  enter(area, text)
  area.focus()
  area.setSelectionRange(text.length, text.length)
}

function append(text) {
  const draft = box().value
  write(draft + (!draft || /\s$/.test(draft) ? "" : " ") + text)
}

function take(command) {
  const text = box().value
  write("")
  page.setTriggerValue("taken", { text, mayCut: command.take === "cut" })
}

function obey(command, tries = 40) {
  if (!command || done.has(command.id)) return
  if (!box()) {
    if (tries) setTimeout(() => obey(command, tries - 1), 50)
    return
  }
  done.add(command.id)
  const chip = chips().find((each) => nameOf(each) === command.remove)
  chip?.querySelector("button")?.click()
  if (command.append) append(command.append)
  if (command.take) take(command)
}

export default function (component) {
  page = component
  watch()
  tell()
  for (const command of component.data.commands) obey(command)
}
