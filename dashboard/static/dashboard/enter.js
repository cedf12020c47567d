// Takes the code out of the address (the part after #, which no server sees) into the form, and out of the history.

document.getElementById("unscripted").hidden = true;

const code = location.hash.slice(1);
if (code) {
  document.getElementById("id_code").value = code;
  history.replaceState(null, "", location.pathname);
  document.querySelector("#enter button").focus();
}
