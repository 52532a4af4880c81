// The editor: CodeMirror shows a Yjs text, which this machine's node keeps and shares with everybody else's.
import { defaultKeymap } from '@codemirror/commands'
import { markdown } from '@codemirror/lang-markdown'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { EditorState } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { readVarUint8Array } from 'lib0/decoding'
import { WebsocketProvider } from 'y-websocket'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import * as Y from 'yjs'

const STATUS = 100 // the one message that Yjs does not know: what our node tells of itself
const COLOURS = ['#0d9488', '#7c3aed', '#db2777', '#c2410c', '#2563eb', '#4d7c0f', '#a21caf', '#b45309', '#0369a1', '#be123c']
const ADJECTIVES = ['Quiet', 'Bright', 'Brave', 'Gentle', 'Swift', 'Curious', 'Merry', 'Calm']
const ANIMALS = ['Otter', 'Heron', 'Lynx', 'Badger', 'Wren', 'Hare', 'Fox', 'Owl']

const element = id => document.getElementById(id)
const any = list => list[Math.floor(Math.random() * list.length)]
const remembered = () => { try { return localStorage.getItem('name') } catch { return null } }
const remember = name => { try { localStorage.setItem('name', name) } catch { /* it is asked again next time */ } }

const doc = new Y.Doc()
const text = doc.getText('text')
const here = location.pathname.replace(/\/$/, '')
const provider = new WebsocketProvider(`ws://${location.host}${here}`, 'document', doc, {
  connect: false,
  disableBc: true, // tabs meet at the node
  maxBackoffTime: 2000
})
const { awareness } = provider

// --- who we are

const colourOf = name => COLOURS[[...name].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 9973, 7) % COLOURS.length]
const introduce = name => { // a name has its colour, so that who changes the one is drawn anew
  const color = colourOf(name)
  element('me').value = name
  element('colour').style.background = color
  awareness.setLocalStateField('user', { name, color, colorLight: color + '33' })
}
introduce(remembered() || `${any(ADJECTIVES)} ${any(ANIMALS)}`)
element('me').addEventListener('change', event => {
  const name = event.target.value.trim() || awareness.getLocalState().user.name
  remember(name)
  introduce(name)
})
element('me').addEventListener('keydown', event => {
  if (event.key !== 'Enter') return
  event.preventDefault() // or the text would get it
  view.focus()
})

// --- the text

const look = HighlightStyle.define([
  { tag: tags.heading1, fontSize: '1.7em', fontWeight: '700', lineHeight: '1.3' },
  { tag: tags.heading2, fontSize: '1.35em', fontWeight: '700' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: tags.strikethrough, textDecoration: 'line-through' },
  { tag: [tags.link, tags.url], color: 'var(--accent)' },
  { tag: tags.monospace, fontFamily: 'ui-monospace, monospace', fontSize: '.88em' },
  { tag: tags.quote, color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.processingInstruction, tags.contentSeparator], color: 'var(--quiet)' }
])
const undo = new Y.UndoManager(text)
const view = new EditorView({
  parent: element('editor'),
  state: EditorState.create({
    doc: text.toString(),
    extensions: [
      highlightSpecialChars(),
      drawSelection(),
      dropCursor(),
      highlightSelectionMatches(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'The text', spellcheck: 'true' }),
      placeholder('Write something. Whoever has this document open sees it.'),
      keymap.of([...yUndoManagerKeymap, ...searchKeymap, ...defaultKeymap]),
      markdown(),
      syntaxHighlighting(look),
      yCollab(text, awareness, { undoManager: undo })
    ]
  })
})

// --- what is going on

const state = element('state')
let unsent = false
const show = (name, words, title = '') => { state.dataset.state = name; state.textContent = words; state.title = title }
provider.on('status', ({ status }) => {
  if (status === 'connected') show('connected', 'connected')
  else if (state.dataset.state !== 'refused') show('offline', 'offline', 'What you type is kept, and merged when the node is back.')
  tell()
})
provider.on('sync', synced => { if (synced) unsent = false; tell() })
provider.on('connection-close', event => {
  if (event && event.code >= 4400 && event.code < 4500) show('refused', 'stopped', event.reason)
})
doc.on('update', (update, origin) => { if (origin !== provider && !provider.wsconnected) unsent = true; tell() })

let status = null
provider.messageHandlers[STATUS] = (encoder, decoder) => {
  status = JSON.parse(new TextDecoder().decode(readVarUint8Array(decoder)))
  tell()
}

const plural = (count, word) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`
let telling = false
function tell () {
  if (telling) return
  telling = true
  requestAnimationFrame(() => {
    telling = false
    const written = text.toString()
    const words = written.match(/\S+/g)
    element('figures').textContent = `${plural(words ? words.length : 0, 'word')}, ${plural([...written].length, 'character')}`
    element('saved').textContent = unsent ? 'changes are kept in this page' : !status ? '' : status.saved ? 'saved on this computer' : 'saving'
    if (!status) return
    document.title = `${status.name} – p2pstack doc`
    element('name').textContent = status.name
    element('members').textContent = !provider.wsconnected ? '' : status.members ? `with ${plural(status.members, 'other node')}` : 'no other node yet'
    const address = status.connect.find(addr => !addr.startsWith('/ip4/127.')) || status.connect[0]
    const quoted = `'${status.name.replaceAll("'", "'\\''")}'`
    element('commands').replaceChildren(...(address ? [address] : []).map(addr => {
      const code = document.createElement('code')
      code.textContent = `p2pstack doc ${quoted} --connect ${addr}`
      return code
    }))
  })
}

awareness.on('change', () => {
  const people = [...awareness.getStates()].filter(([client, { user }]) => client !== awareness.clientID && user)
  element('people').replaceChildren(...people.slice(0, 12).map(([, { user }]) => {
    const person = document.createElement('li')
    person.textContent = user.name.split(/\s+/).map(word => [...word][0] || '').join('').slice(0, 2).toUpperCase()
    person.title = user.name
    person.style.background = user.color
    return person
  }))
})

element('invite').addEventListener('click', () => element('invitation').showModal())
element('download').addEventListener('click', () => {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text.toString()], { type: 'text/plain' }))
  link.download = `${(status ? status.name : 'document').replace(/[^\w.-]+/g, '-')}.txt`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
})
addEventListener('beforeunload', event => { if (unsent) event.preventDefault() })

provider.connect()
view.focus()
tell()
