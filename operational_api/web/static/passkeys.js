// Asks the browser for a passkey and sends its answer with the form. Loaded by the pages of the second step only.

const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const binary = (list) => (list ?? []).map((one) => ({ ...one, id: decode(one.id) }));

async function ask(kind, options) {
  options.challenge = decode(options.challenge);
  if (kind === "create") {
    options.user.id = decode(options.user.id);
    options.excludeCredentials = binary(options.excludeCredentials);
    return navigator.credentials.create({ publicKey: options });
  }
  options.allowCredentials = binary(options.allowCredentials);
  return navigator.credentials.get({ publicKey: options });
}

function told(credential) {
  const { response } = credential;
  const parts = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) parts[name] = encode(response[name]);
  }
  if (response.getTransports) parts.transports = response.getTransports();
  return JSON.stringify({
    id: credential.id, rawId: encode(credential.rawId), type: credential.type, response: parts,
    authenticatorAttachment: credential.authenticatorAttachment, clientExtensionResults: {},
  });
}

const REASONS = {
  InvalidStateError: word("This device has a passkey for your account already."),
  NotAllowedError: word("Nothing was confirmed. Press the button to try again."),
  SecurityError: word("Passkeys do not work at this address."),
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const said = form.querySelector("[data-passkey-said]");
  const say = (text) => { said.textContent = text; said.hidden = !text; };
  const button = form.querySelector("button");
  if (!window.PublicKeyCredential) {
    button.disabled = true;
    say(word("This browser does not know passkeys."));
  }
  button.addEventListener("click", async () => {
    say("");
    button.classList.add("is-busy");
    try {
      const answer = await window.plyo.post(form.dataset.options);
      if (!answer.ok) { window.location.reload(); return; }
      form.elements.answer.value = told(await ask(form.dataset.passkey, await answer.json()));
      form.requestSubmit();
    } catch (error) {
      button.classList.remove("is-busy");
      say(REASONS[error.name] ?? word("That did not work. Try again."));
    }
  });
}

for (const button of document.querySelectorAll("button[name=copy]")) {
  button.addEventListener("click", async () => {
    const codes = [...document.querySelectorAll(`#${button.value} code`)].map((one) => one.textContent);
    await navigator.clipboard.writeText(codes.join("\n"));
    button.lastChild.textContent = word("Copied");
  });
}
for (const button of document.querySelectorAll("button[name=print]")) {
  button.addEventListener("click", () => window.print());
}
