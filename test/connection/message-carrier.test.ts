import { describe, expect, test } from 'vitest'
import { MessageCarrier } from '../../src/connection/message-carrier.ts'
import { MessageReader } from '../../src/connection/message-reader.ts'
import { Seals } from '../../src/connection/seals.ts'
import fc from '../fast-check.ts'

function message(type: string, body = ''): Buffer {
  const bytes = Buffer.from(`${type}\0\0\0\0${body}`)
  bytes.writeUInt32BE(bytes.length - 1, 1)
  return bytes
}

const READY = message('Z', 'I')

/** A carrier whose connection is open, and what it has sent either way. */
function open() {
  const sent: Buffer[] = []
  const answered: Buffer[] = []
  const unattributed: string[] = []
  const seals = new Seals()
  const carrier = new MessageCarrier(seals, {
    toServer: (bytes) => sent.push(bytes),
    toClient: (bytes) => answered.push(bytes),
    onUnattributed: (keyword) => unattributed.push(keyword),
  })
  // Without a type.
  const startup = message('?', 'user\0ada\0\0').subarray(1)
  carrier.fromClient(startup)
  expect(sent.splice(0)).toEqual([startup])
  carrier.fromServer(READY)
  return {
    carrier,
    seals,
    unattributed,
    /** Whole messages that were sent since this was last asked. */
    sent: () => new MessageReader().read(Buffer.concat(sent.splice(0))),
    text: () => Buffer.concat(sent).toString('latin1'),
    answered: () => Buffer.concat(answered),
  }
}

const types = (messages: readonly Buffer[]) => messages.map((each) => String.fromCharCode(each[0] as number)).join('')

/** A batch as postgres.js sends it. */
const parse = (seal: string, text: string) => message('P', `\0${seal}${text}\0\0\0`)
const bind = (seal: string) => message('B', `${seal}\0\0\0\0\0\0\0\0`)
const EXECUTE = message('E', '\0\0\0\0\0')
const SYNC = message('S')

const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

describe('the messages of a connection', () => {
  test('B31 are the same wherever the chunks end, and so is what goes either way', () => {
    const queries = fc.array(
      fc.record({ who: fc.constantFrom('', '{"request_id":"a"}', '{"request_id":"b"}'), simple: fc.boolean() }),
    )
    fc.assert(
      fc.property(queries, fc.array(fc.nat(5000)), (asked, places) => {
        const outcomes = [[], places].map((at) => {
          const { carrier, seals, text, answered } = open()
          const bytes = asked.flatMap(({ who, simple }, index) => {
            const sealed = { context: who, text: `insert ${index}` }
            if (simple) return [message('Q', `${seals.seal(sealed)}insert ${index}\0`)]
            return [parse(seals.seal(sealed), `insert ${index}`), bind(seals.seal(sealed)), EXECUTE, SYNC]
          })
          for (const chunk of cut(Buffer.concat(bytes), at)) carrier.fromClient(chunk)
          const own = [message('1'), message('2'), message('C', 'SELECT 0\0')]
          const replies = asked.flatMap(({ who }) => [
            ...(who ? own : []),
            ...[message('1'), message('2'), message('D', '\0\0'), message('C', 'INSERT 0 1\0'), READY],
          ])
          for (const chunk of cut(Buffer.concat(replies), at)) carrier.fromServer(chunk)
          return [text(), answered().toString('latin1')]
        })
        expect(outcomes[1]).toEqual(outcomes[0])
        expect(outcomes[0]?.[0]).not.toContain('daybook:')
        expect(outcomes[0]?.[1]).not.toContain('SELECT 0')
        expect(outcomes[0]?.[1]?.split('INSERT 0 1')).toHaveLength(asked.length + 1)
      }),
    )
  })
})

describe('a seal', () => {
  test('B34 is broken once, and no text passes for one', () => {
    const { carrier, seals, text } = open()
    const seal = seals.seal({ context: '{"request_id":"a"}', text: 'insert' })
    const forged = `${seal.slice(0, 9)}${'0'.repeat(seal.length - 9)}`
    carrier.fromClient(message('Q', `${forged}insert\0`))
    carrier.fromClient(message('Q', `${seal}insert\0`))
    carrier.fromClient(message('Q', `${seal}insert\0`))
    expect(text()).toContain(forged)
    expect(text()).not.toContain(seal)
    expect(text().split('request_id')).toHaveLength(2)
  })

  test('B31 of another query in the same batch closes the connection, before anything of it is sent', () => {
    for (const second of [undefined, { context: '{"request_id":"b"}', text: 'insert' }]) {
      const { carrier, seals, text } = open()
      carrier.fromClient(parse(seals.seal({ context: '{"request_id":"a"}', text: 'insert' }), 'insert'))
      const before = text()
      expect(() => carrier.fromClient(bind(second ? seals.seal(second) : ''))).toThrow('could have been credited')
      expect(text()).toBe(before)
    }
  })
})

describe('a batch', () => {
  test('B32 goes without the context that the open transaction has, until something may have undone it', () => {
    const { carrier, seals, sent } = open()
    const a = { context: '{"request_id":"a"}', text: 'insert' }
    const send = (sealed: typeof a | undefined, text: string, status: string) => {
      carrier.fromClient(message('Q', `${sealed ? seals.seal(sealed) : ''}${text}\0`))
      const asked = types(sent())
      const own = asked.startsWith('PBEP') ? [message('1'), message('2'), message('C', 'SELECT 0\0')] : []
      carrier.fromServer(Buffer.concat([...own, message('C', 'DONE\0'), message('Z', status)]))
      return asked
    }
    expect(send(undefined, 'begin', 'T')).toBe('Q')
    expect(send(a, 'insert', 'T')).toBe('PBEPBDES')
    expect(send(a, 'insert', 'T')).toBe('Q')
    expect(send(undefined, 'rollback to a', 'T')).toBe('Q')
    expect(send(a, 'insert', 'T')).toBe('PBEPBDES')
    expect(send({ context: '', text: 'insert' }, 'insert', 'T')).toBe('PBEPBDES')
    expect(send({ context: '', text: 'insert' }, 'insert', 'T')).toBe('Q')
    expect(send(a, 'insert', 'E')).toBe('PBEPBDES')
    // Its answer is the server's own error.
    expect(send(a, 'insert', 'E')).toBe('Q')
    expect(send(undefined, 'rollback', 'I')).toBe('Q')
    expect(send({ context: '', text: 'insert' }, 'insert', 'I')).toBe('Q')
  })
})
