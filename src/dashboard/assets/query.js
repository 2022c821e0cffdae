// Completes keys and values in the box for the query. The server reads the text, here it is only shown: a combobox with a list.
const input = document.querySelector('.query input')
const DELAY_MS = 80

function element(name, attributes) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

function completing(form) {
  const list = element('ul', { id: 'suggestions', class: 'suggestions', role: 'listbox', 'aria-label': 'Suggestions' })
  const status = element('p', { class: 'hidden', role: 'status' })
  let found = { start: 0, end: 0, completions: [] }
  let active = -1
  let asking
  let timer

  list.hidden = true
  form.append(list, status)
  const roles = { role: 'combobox', 'aria-autocomplete': 'list', 'aria-controls': list.id, 'aria-expanded': 'false' }
  for (const [key, value] of Object.entries(roles)) input.setAttribute(key, value)

  function activate(index) {
    active = index
    ;[...list.children].forEach((option, place) => {
      option.setAttribute('aria-selected', String(place === index))
      if (place === index) option.scrollIntoView({ block: 'nearest' })
    })
    if (index < 0) input.removeAttribute('aria-activedescendant')
    else input.setAttribute('aria-activedescendant', list.children[index].id)
  }

  function show() {
    const { completions } = found
    const options = completions.map(({ label, note }, index) => {
      const option = element('li', { id: `suggestion-${index}`, role: 'option', 'aria-selected': 'false' })
      option.append(Object.assign(element('b', {}), { textContent: label }))
      if (note) option.append(Object.assign(element('small', {}), { textContent: note }))
      option.addEventListener('click', () => choose(index))
      return option
    })
    list.replaceChildren(...options)
    list.hidden = options.length === 0
    input.setAttribute('aria-expanded', String(!list.hidden))
    status.textContent = options.length === 1 ? '1 suggestion' : `${options.length} suggestions`
    activate(-1)
  }

  function close() {
    clearTimeout(timer)
    asking?.abort()
    found = { start: 0, end: 0, completions: [] }
    show()
    status.textContent = ''
  }

  async function ask() {
    asking?.abort()
    asking = new AbortController()
    const { signal } = asking
    const query = new URLSearchParams({ q: input.value, place: input.selectionStart ?? input.value.length })
    try {
      const response = await fetch(`${form.dataset.suggest}?${query}`, { signal })
      if (!response.ok) return close()
      found = await response.json()
      if (!signal.aborted && document.activeElement === input) show()
    } catch {
      // A newer question took its place, or nothing can be asked: the query can be typed all the same.
    }
  }

  function choose(index) {
    const { start, end, completions } = found
    const { text } = completions[index]
    const { value } = input
    const behind = value.slice(end).replace(/^\s+/, '')
    const goesOn = text.endsWith(':')
    input.value = `${value.slice(0, start)}${text}${goesOn ? '' : ' '}${behind}`
    const place = start + text.length + (goesOn ? 0 : 1)
    input.setSelectionRange(place, place)
    close()
    if (goesOn) ask()
  }

  function move(step) {
    const { length } = found.completions
    if (length === 0) return void ask()
    activate(active < 0 ? (step > 0 ? 0 : length - 1) : (active + step + length) % length)
  }

  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(ask, DELAY_MS)
  })
  input.addEventListener('blur', close)
  // The field keeps the focus while an option is clicked.
  list.addEventListener('mousedown', (event) => event.preventDefault())
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return
    const isOpen = !list.hidden
    if (event.key === 'ArrowDown') move(1)
    else if (event.key === 'ArrowUp' && isOpen) move(-1)
    else if (event.key === 'Enter' && active >= 0) choose(active)
    else if (event.key === 'Escape' && isOpen) close()
    else return
    event.preventDefault()
    event.stopPropagation()
  })
}

if (input) {
  completing(input.form)
  const { start, end } = input.dataset
  if (start !== undefined) {
    input.focus()
    input.setSelectionRange(Number(start), Number(end))
  }
}
