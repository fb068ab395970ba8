// Sets aria-current on the button of the conversation in view.
const currentIds = new WeakMap() // by list element

export default function ({ data }) {
  const list = document.querySelector(SELECTORS.conversationList)
  if (!list) return
  const mark = () => {
    const current = list.querySelector(SELECTORS.conversationButton(currentIds.get(list)))
    for (const marked of list.querySelectorAll("[aria-current]"))
      if (marked !== current) marked.removeAttribute("aria-current")
    current?.setAttribute("aria-current", "page")
  }
  const isNew = !currentIds.has(list)
  currentIds.set(list, data.id)
  mark()
  if (isNew) new MutationObserver(mark).observe(list, { childList: true, subtree: true })
}
