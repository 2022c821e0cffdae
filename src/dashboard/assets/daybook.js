// Keys for who likes them; every page is whole without. They can be switched off, and the choice is kept in this browser.
const OFF = 'daybook-keys-off'
const hint = document.querySelector('.keys')
const visibleRows = () => [...document.querySelectorAll('.row')].filter((row) => row.getClientRects().length > 0)

function isOff() {
  try {
    return localStorage.getItem(OFF) === '1'
  } catch {
    return false
  }
}

function move(step) {
  const rows = visibleRows()
  const focused = rows.indexOf(document.activeElement)
  const open = rows.findIndex((row) => row.getAttribute('aria-current') === 'true')
  const from = focused >= 0 ? focused : open >= 0 ? open : step > 0 ? -1 : rows.length
  rows[Math.min(rows.length - 1, Math.max(0, from + step))]?.focus()
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  '/': () => document.querySelector('input[type=search]')?.focus(),
  Escape: () => document.querySelector('a.close')?.click(),
}

document.addEventListener('keydown', (event) => {
  const typing = event.target instanceof Element && event.target.closest('input, textarea, select')
  if (isOff() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing) return
  const act = KEYS[event.key]
  if (!act) return
  event.preventDefault()
  act()
})

if (hint) {
  const button = hint.querySelector('button')
  const show = () => {
    hint.classList.toggle('off', isOff())
    button.textContent = isOff() ? 'switch keys on' : 'switch keys off'
  }
  button.addEventListener('click', () => {
    try {
      localStorage.setItem(OFF, isOff() ? '0' : '1')
    } catch {
      // A browser that keeps nothing keeps the keys on.
    }
    show()
  })
  hint.hidden = false
  show()
}
