import type pg from 'pg'

interface CopyConnection {
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** Runs a `COPY … FROM STDIN` with its data: pg has no COPY of its own, so its messages are sent by hand. */
export async function copyIn(client: pg.Client, statement: string, ...data: readonly Buffer[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.query({
      submit: (connection: CopyConnection) => connection.query(statement),
      handleCopyInResponse(connection: CopyConnection) {
        for (const chunk of data) connection.sendCopyFromChunk(chunk)
        connection.endCopyFrom()
      },
      handleRowDescription() {},
      handleDataRow() {},
      handleCommandComplete() {},
      handleError: reject,
      handleReadyForQuery: () => resolve(),
    } as never)
  })
}

/** Rows as `COPY … (format binary)` takes them: of each value its bytes, or null. */
export function binaryRows(rows: readonly (readonly (Buffer | null)[])[]): Buffer {
  const int16 = (value: number) => {
    const buffer = Buffer.alloc(2)
    buffer.writeInt16BE(value)
    return buffer
  }
  const int32 = (value: number) => {
    const buffer = Buffer.alloc(4)
    buffer.writeInt32BE(value)
    return buffer
  }
  return Buffer.concat([
    Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'),
    int32(0),
    int32(0),
    ...rows.flatMap((row) => [
      int16(row.length),
      ...row.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value])),
    ]),
    int16(-1),
  ])
}
