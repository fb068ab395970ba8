// Selectors for Streamlit's elements (data-testid) and Parley's widgets (st-key-…). Prepended to the
// script of every component, see browser_component.py. Checked with Streamlit 1.67.
const testId = (id) => `[data-testid="${id}"]`
const widget = (key) => `.st-key-${key}`

const SELECTORS = {
  app: testId("stApp"),
  page: testId("stAppScrollToBottomContainer"),
  sidebar: testId("stSidebar"),
  collapseSidebarButton: `${testId("stSidebar")} ${testId("stSidebarCollapseButton")} button`,
  expandSidebarButton: testId("stExpandSidebarButton"),
  chatMessage: testId("stChatMessage"),
  composer: widget("composer"),
  composerText: `${widget("composer")} textarea`,
  composerSubmit: `${widget("composer")} ${testId("stChatInputSubmitButton")}`,
  fileChip: `${widget("composer")} ${testId("stFileChip")}`,
  fileChipName: testId("stFileChipName"),
  fileChipSpinner: testId("stFileChipIconSpinner"),
  copyButton: "button[data-copies]",
  conversationList: widget("conversations"),
  microphone: widget("mic"),
  microphoneFrame: `${widget("mic")} iframe`,
  // Elements of the sidebar that open something else than the page in view.
  navigation: [
    "a",
    ...["new_chat", "new_temporary", "delete_conversation"].map((key) => `${widget(key)} button`),
    '[class*="st-key-open_"] button',
    '[class*="st-key-found_"] button',
  ].join(),
  conversationButton: (id) => `${widget(`open_${id}`)} button`,
  messageActions: (id) => widget(`actions_${id}`),
  textInput: (key) => `${widget(key)} :is(input, textarea)`,
}
