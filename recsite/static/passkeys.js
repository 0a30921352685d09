// A browser that gives no passkey says so in its console alone, where nobody looks.
document.addEventListener('allauth.error', function (event) {
  const words = document.getElementById('passkey-failed')
  if (words) {
    event.preventDefault()
    words.hidden = false
    words.scrollIntoView({ block: 'nearest' })
  }
})
