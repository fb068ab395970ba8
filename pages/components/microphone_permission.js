// Shows why the microphone is unavailable, and releases it after a recording.
const INSECURE = "The microphone works only over HTTPS or on localhost."
const DENIED = "The browser blocks the microphone. Allow it in the settings of this site."
const NOT_FOUND = "No microphone was found."

// streamlit-mic-recorder keeps the microphone open after a recording. Its iframe has the same
// origin, so MediaRecorder can be patched there to stop the tracks.
function releaseOnStop(recorder) {
  const { stop } = recorder.prototype
  if (stop.isPatched) return
  recorder.prototype.stop = function () {
    const { stream } = this
    this.addEventListener("stop", () => stream.getTracks().forEach((track) => track.stop()))
    return stop.call(this)
  }
  recorder.prototype.stop.isPatched = true
}

function patchRecorder(attempts = 100) {
  const frame = document.querySelector(SELECTORS.microphoneFrame)
  const recorderWindow = frame?.contentWindow
  if (recorderWindow?.MediaRecorder && recorderWindow.document?.readyState === "complete") {
    releaseOnStop(recorderWindow.MediaRecorder)
    frame.onload = () => releaseOnStop(frame.contentWindow.MediaRecorder)
  } else if (attempts) setTimeout(() => patchRecorder(attempts - 1), 100)
}

export default function ({ parentElement }) {
  const message = parentElement.querySelector("span")
  message.setAttribute("role", "status")
  const show = (text) => {
    message.textContent = text
    const microphone = document.querySelector(SELECTORS.microphone)
    if (microphone) microphone.inert = Boolean(text)
    if (microphone) microphone.style.opacity = text ? 0.4 : 1
  }
  if (!window.isSecureContext || !navigator.mediaDevices) return show(INSECURE)
  patchRecorder()
  const checkDevices = async () => {
    const devices = await navigator.mediaDevices.enumerateDevices()
    show(devices.some((device) => device.kind === "audioinput") ? "" : NOT_FOUND)
  }
  navigator.permissions
    ?.query({ name: "microphone" })
    .then((permission) => {
      const update = () => (permission.state === "denied" ? show(DENIED) : checkDevices())
      permission.onchange = update
      update()
    })
    .catch(() => {}) // browsers without this permission name ask when a recording starts
}
