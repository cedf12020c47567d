// Asks the browser for a passkey before a form is sent: the answer goes along in a hidden field.

const WORDS = { NotAllowedError: "The browser gave no passkey: it was not allowed, or the time ran out. Nothing was sent.",
  InvalidStateError: "This passkey is registered already. Nothing was sent." };

async function answerOf(form) {
  if (form.dataset.passkey) {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(form.dataset.passkey));
    return navigator.credentials.get({ publicKey });
  }
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(form.dataset.registers));
  return navigator.credentials.create({ publicKey });
}

export function startPasskeys() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-passkey], [data-registers]");
    if (!form || form.elements.assertion.value) return;
    event.preventDefault();
    const says = form.querySelector("[data-passkey-says]");
    try {
      form.elements.assertion.value = JSON.stringify((await answerOf(form)).toJSON());
      form.submit();
    } catch (error) {
      says.textContent = WORDS[error.name] ?? `The browser gave no passkey (${error.name}). Nothing was sent.`;
      says.className = "stop";
    }
  });
}
