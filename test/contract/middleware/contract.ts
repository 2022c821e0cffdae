import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Application, createHost, type Framework, type Host, type Recorded } from './host.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** What every framework's middleware must do, over HTTP and with PostgreSQL. */
export function middlewareContract({ name, parameter = ':id', streams = ['/stream'], start }: Framework): void {
  describe(name, () => {
    let host: Host
    let application: Application

    beforeAll(async () => {
      host = await createHost()
      application = await start(host)
    }, 240_000)
    afterAll(async () => {
      await application?.close()
      await host?.close()
    })
    beforeEach(() => host.reset())

    async function entry(): Promise<Recorded> {
      const [only, ...others] = await host.entries()
      expect(others).toEqual([])
      if (!only) throw new Error('there is no entry')
      return only
    }

    function post(path: string, headers: Record<string, string> = {}, body?: BodyInit): Promise<Response> {
      return fetch(application.url + path, { method: 'POST', headers, ...(body !== undefined && { body }) })
    }

    const json = { 'content-type': 'application/json' }
    const pay = (id: string, headers?: Record<string, string>) => post(`/shop/invoices/${id}/pay?token=hush`, headers)

    /** Sends bytes as they are, and gives the answer's first line. */
    async function send(bytes: Buffer | string, localAddress = '127.0.0.1'): Promise<string> {
      const { port } = new URL(application.url)
      const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress })
      socket.write(bytes)
      const answer = await text(socket)
      return answer.slice(0, answer.indexOf('\r\n'))
    }

    const payAs = (headers: string) =>
      Buffer.from(
        `POST /shop/invoices/7/pay HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`,
        'latin1',
      )

    test('B29 an entry carries actor, tenant, address, user agent, request id and the pattern of a nested route', async () => {
      const response = await pay('7', { 'x-person': 'mara', 'x-tenant': 'acme', 'user-agent': 'Test/1' })
      expect(response.status).toBeLessThan(300)
      await response.text()

      const recorded = await entry()
      expect(recorded).toMatchObject({
        actor_type: 'user',
        actor_id: 'u-1',
        actor_label: 'mara@example.com',
        ip_address: '127.0.0.1',
        tenant_id: 'acme',
        object_id: '7',
        context: { user_agent: 'Test/1', route: `POST /shop/invoices/${parameter}/pay` },
      })
      expect(recorded.request_id).toMatch(UUID)
      expect(response.headers.get('x-request-id')).toBe(recorded.request_id)
      expect(JSON.stringify(recorded)).not.toContain('hush')
    })

    test('B29 an anonymous request keeps the address', async () => {
      await pay('7')
      expect(await entry()).toMatchObject({ actor_type: 'anonymous', actor_id: null, ip_address: '127.0.0.1' })
    })

    test('B35 an impersonation keeps both people', async () => {
      await pay('7', { 'x-person': 'for-bo' })
      expect(await entry()).toMatchObject({ actor_id: 'u-1', context: { on_behalf_of: { id: 'u-2', label: 'Bo' } } })
    })

    test('an actor who can’t be told makes the request fail, and nothing is written as nobody', async () => {
      const response = await pay('7', { 'x-person': 'away' })
      expect(response.status).toBe(500)
      expect(await host.entries()).toEqual([])
      await pay('8', { 'x-person': 'mara' })
      expect(await entry()).toMatchObject({ object_id: '8', actor_id: 'u-1' })
    })

    test('B29 a parsed JSON body leaves the context', async () => {
      await post('/json', { ...json, 'x-person': 'mara' }, '{"id":"from JSON"}')
      expect(await entry()).toMatchObject({ object_id: 'from JSON', actor_id: 'u-1', request_id: expect.any(String) })
    })

    test('B29 a multipart body with a file leaves the context', async () => {
      const form = new FormData()
      form.set('id', 'from a form')
      form.set('file', new Blob(['x'.repeat(300_000)]), 'scan.pdf')
      await post('/upload', { 'x-person': 'mara' }, form)
      expect(await entry()).toMatchObject({ object_id: 'from a form', actor_id: 'u-1' })
    })

    test.each([
      ['/json', 'application/json', '{"id":', '"slow"}'],
      ['/raw', 'application/octet-stream', 'sl', 'ow'],
    ])('B29 a body that comes slowly leaves the context: %s', async (path, type, ...parts) => {
      const length = parts.join('').length
      const headers = { 'content-type': type, 'content-length': length, 'x-person': 'mara' }
      const request = httpRequest(application.url + path, { method: 'POST', headers })
      const answered = once(request, 'response') as Promise<[IncomingMessage]>
      for (const part of parts) {
        request.write(part)
        await setTimeout(50)
      }
      request.end()
      const [response] = await answered
      await text(response)
      expect(await entry()).toMatchObject({ object_id: 'slow', actor_id: 'u-1' })
    })

    test('B29 what a failing handler wrote has its actor, and the next request on the connection has its own', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const sockets = new Set<unknown>()
      const answers: (number | undefined)[] = []
      for (const [path, person] of [
        ['/shop/invoices/1/pay', 'mara'],
        ['/fail', 'grace'],
        ['/shop/invoices/2/pay', undefined],
        ['/shop/invoices/3/pay', 'ada'],
      ] as const) {
        const headers = person === undefined ? {} : { 'x-person': person }
        const request = httpRequest(application.url + path, { method: 'POST', agent, headers }).end()
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        sockets.add(request.socket)
        answers.push(response.statusCode)
        await text(response)
      }
      agent.destroy()

      const recorded = await host.entries()
      expect(answers[1]).toBe(500)
      expect(sockets.size).toBe(1)
      expect(recorded.map(({ object_id, actor_id }) => [object_id, actor_id])).toEqual([
        ['1', 'u-1'],
        ['before the failure', 'grace'],
        ['2', null],
        ['3', 'ada'],
      ])
      expect(new Set(recorded.map(({ request_id }) => request_id)).size).toBe(4)
    })

    test('B29 after the response the context is empty', async () => {
      const response = await post('/after', { 'x-person': 'mara' })
      await response.text()
      await host.gate.reached.given
      await setTimeout(100)
      host.gate.opened.give()
      await host.gate.written.given
      expect(await entry()).toMatchObject({ actor_type: 'database', request_id: null })
    })

    test('B29 a handler whose client hung up still writes as that client', async () => {
      const { port } = new URL(application.url)
      const socket = connect(Number(port), '127.0.0.1')
      socket.write('POST /gate HTTP/1.1\r\nHost: shop\r\nX-Person: mara\r\nContent-Length: 0\r\n\r\n')
      await host.gate.reached.given
      socket.destroy()
      await setTimeout(100)
      host.gate.opened.give()
      await host.gate.written.given
      expect(await entry()).toMatchObject({ actor_id: 'u-1', ip_address: '127.0.0.1' })
    })

    test.each(streams)('B29 what is written while an answer streams has the request’s actor: %s', async (path) => {
      const response = await fetch(`${application.url}${path}/s`, { headers: { 'x-person': 'mara' } })
      expect(await response.text()).toBe('abc')
      const recorded = await host.entries()
      expect(recorded.map(({ object_id, actor_id }) => [object_id, actor_id])).toEqual([
        ['s-a', 'u-1'],
        ['s-b', 'u-1'],
        ['s-c', 'u-1'],
      ])
    })

    test('B30 an actor who is learned in the handler stands in the entries made after that', async () => {
      await post('/late')
      expect(await host.entries()).toMatchObject([
        { actor_type: 'anonymous', ip_address: '127.0.0.1' },
        { actor_type: 'user', actor_id: 'u-1', ip_address: '127.0.0.1' },
      ])
    })

    test('B31 interleaved requests over a small pool keep their own actors', async () => {
      const people = Array.from({ length: 150 }, (_, number) => `p-${number}`)
      await Promise.all(
        people.map(async (person) => {
          const body = JSON.stringify({ id: person })
          await (await post('/json', { ...json, 'x-person': person }, body)).text()
        }),
      )
      const recorded = await host.entries()
      expect(recorded).toHaveLength(150)
      expect(recorded.filter(({ actor_id, object_id }) => object_id !== actor_id)).toEqual([])
    })

    test('B34 an actor of NUL, lone surrogates and ten thousand letters does not stop the write', async () => {
      host.lateActor = { id: 'a\0b', label: `\ud800${'x'.repeat(10_000)}` }
      await post('/late')
      const recorded = await host.entries()
      expect(recorded[1]).toMatchObject({ object_id: 'late', actor_type: 'user', actor_id: 'a\ufffdb' })
      expect(recorded[1]?.actor_label).toMatch(/^\ufffdx{254}…$/)
    })

    test.each([
      ['enormous', `User-Agent: ${'M'.repeat(12_000)}\r\n`, /^M{511}…$/],
      ['no UTF-8', 'User-Agent: caf\xe9 \xff\xfe\r\n', /^caf/],
      ['given twice', 'User-Agent: one\r\nUser-Agent: two\r\n', /^one/],
      ['empty', 'User-Agent:\r\n', undefined],
    ])('B34 a user agent that is %s does not stop the write', async (_how, header, expected) => {
      expect(await send(payAs(header))).toMatch(/ 20\d /)
      const { context } = await entry()
      if (expected) expect(context?.user_agent).toMatch(expected)
    })

    test('B34 a header with a NUL is refused by the server, which goes on', async () => {
      expect(await send(payAs('User-Agent: a\0b\r\n'))).toMatch(/ 400 /)
      await pay('7', { 'x-person': 'mara' })
      expect(await entry()).toMatchObject({ actor_id: 'u-1' })
    })

    test.each([
      ['a direct client', '127.0.0.1', 'X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n', '127.0.0.1'],
      ['a direct client with junk', '127.0.0.1', 'X-Forwarded-For: ;drop\r\n', '127.0.0.1'],
      ['the named proxy', '127.0.0.7', 'X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n', '203.0.113.9'],
      [
        'the named proxy, in two headers',
        '127.0.0.7',
        'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: [2001:db8::1]:80\r\n',
        '2001:db8::1',
      ],
      ['the named proxy, with junk of a client', '127.0.0.7', 'X-Forwarded-For: junk\r\n', null],
      ['the named proxy, with another header', '127.0.0.7', 'Forwarded: for=6.6.6.6\r\n', '127.0.0.7'],
    ])('B37 the address of %s is right or unknown', async (_who, localAddress, header, expected) => {
      expect(await send(payAs(header), localAddress)).toMatch(/ 20\d /)
      expect(await entry()).toMatchObject({ ip_address: expected })
    })

    test('B38 a request id is used from the header that was named if it is usable, and from no other', async () => {
      const given = ['Root=1-abc', 'x'.repeat(129), '<b>', 'caf\xe9']
      for (const id of given) {
        expect(await send(payAs(`X-Trace: ${id}\r\nX-Request-Id: forged\r\n`))).toMatch(/ 20\d /)
      }
      await send(payAs('X-Trace: one\r\nX-Trace: two\r\n'))
      const ids = (await host.entries()).map(({ request_id }) => request_id)
      expect(ids).toEqual(['Root=1-abc', ...Array(4).fill(expect.stringMatching(UUID))])
    })

    test('B43 the dashboard below its prefix answers whom the host lets in, behind a body parser, and nobody else', async () => {
      await pay('7', { 'x-person': 'mara' })
      const page = await fetch(`${application.url}/audit`, { headers: { 'x-staff': 'yes' } })
      expect([page.status, await page.text()]).toEqual([200, expect.stringMatching(/"\/audit.*mara@example\.com/s)])
      const [{ id } = { id: '' }] = (await host.guarded.store.page({})).entries
      const shown = await fetch(`${application.url}/audit/entries/${id}`, { headers: { 'x-staff': 'yes' } })
      expect([shown.status, await shown.text()]).toEqual([200, expect.stringContaining('mara@example.com')])
      const head = await fetch(`${application.url}/audit`, { method: 'HEAD', headers: { 'x-staff': 'yes' } })
      expect([head.status, await head.text()]).toEqual([200, ''])
      for (const path of ['/audit', `/audit/entries/${id}`]) {
        const refused = await fetch(application.url + path)
        expect([refused.status, await refused.text()]).toEqual([403, expect.not.stringContaining('mara')])
      }
      expect((await fetch(`${application.url}/auditor`, { headers: { 'x-staff': 'yes' } })).status).toBe(404)
    })

    test('the dashboard is asked with method, address, prefix, headers and the body that a parser has read', async () => {
      const path = '/echo/entries/7?actor=a%20b&x=1'
      const response = await post(path, { ...json, cookie: 'a=1; b=2' }, '{"a":[1,{"b":null}]}')
      const asked = await response.json()
      expect(asked).toMatchObject({
        method: 'POST',
        basePath: '/echo',
        cookie: 'a=1; b=2',
        body: '{"a":[1,{"b":null}]}',
      })
      const { pathname, searchParams } = new URL(asked.url)
      expect([pathname, ...searchParams]).toEqual(['/echo/entries/7', ['actor', 'a b'], ['x', '1']])
    })
  })
}
