// Keys for who likes them; every page is whole without. They can be switched off, and the choice is kept in this browser.
const OFF = 'daybook-keys-off'
const hint = document.querySelector('.keys')
const visibleRows = () =>
  [...document.querySelectorAll('.row > .open, summary.row')].filter((row) => row.getClientRects().length > 0)

function isOff() {
  try {
    return localStorage.getItem(OFF) === '1'
  } catch {
    return false
  }
}

function move(step) {
  const rows = visibleRows()
  const here = document.activeElement?.closest('.row')
  const focused = rows.findIndex((row) => here && row.closest('.row') === here)
  const open = rows.findIndex((row) => row.getAttribute('aria-current') === 'true')
  const from = focused >= 0 ? focused : open >= 0 ? open : step > 0 ? -1 : rows.length
  rows[Math.min(rows.length - 1, Math.max(0, from + step))]?.focus()
}

/** To the next value of the row that has the focus. */
function nextCell() {
  const cells = [...(document.activeElement?.closest('.row')?.querySelectorAll('.cell') ?? [])]
  cells[(cells.indexOf(document.activeElement) + 1) % cells.length]?.focus()
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  f: nextCell,
  '/': () => {
    const box = document.querySelector('.query input')
    box?.focus()
    box?.setSelectionRange(box.value.length, box.value.length)
  },
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

// A click with Shift on a value leaves out what has it.
document.addEventListener('click', (event) => {
  const without = event.shiftKey && event.target.closest('.cell')?.dataset.without
  if (!without) return
  event.preventDefault()
  location.assign(without)
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
