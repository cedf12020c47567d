// Asks for a passkey when a form is sent that needs one, puts the answer into the form, and sends it.

const says = (form, words) => {
  const line = form.querySelector("[data-says]");
  line.textContent = words;
  line.hidden = !words;
};

const ask = async ({ passkey, passkeyNew }) => {
  const own = PublicKeyCredential;
  const answer = passkey
    ? await navigator.credentials.get({ publicKey: own.parseRequestOptionsFromJSON(JSON.parse(passkey)) })
    : await navigator.credentials.create({ publicKey: own.parseCreationOptionsFromJSON(JSON.parse(passkeyNew)) });
  return JSON.stringify(answer.toJSON());
};

export function startPasskeys() {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset?.passkey && !form.dataset?.passkeyNew) return;
    const field = form.elements.assertion;
    if (field.value) return;
    event.preventDefault();
    says(form, "");
    try {
      field.value = await ask(form.dataset);
    } catch (error) {
      const refused = error?.name === "NotAllowedError" || error?.name === "InvalidStateError";
      return says(form, refused ? "The passkey gave no answer. Press the button again." : "This browser can't ask for a passkey here. Open Keybook at its own address, by https.");
    }
    form.requestSubmit(event.submitter ?? undefined);
  });
}
