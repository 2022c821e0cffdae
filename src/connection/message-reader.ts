/** A type and four bytes of length. */
const HEAD_BYTES = 5

/** Cuts what comes over a connection into messages of the PostgreSQL protocol, wherever the chunks end. */
export class MessageReader {
  #parts: Buffer[] = []
  #bytes = 0
  #needed = HEAD_BYTES

  /** The messages that are whole by now, each with its type ahead. */
  read(chunk: Buffer): readonly Buffer[] {
    this.#parts.push(chunk)
    this.#bytes += chunk.length
    // A long message is put together once, not again for each of its chunks.
    if (this.#bytes < this.#needed) return []
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts)
    const messages: Buffer[] = []
    let at = 0
    for (;;) {
      this.#needed = bytes.length - at < HEAD_BYTES ? HEAD_BYTES : 1 + bytes.readUInt32BE(at + 1)
      if (bytes.length - at < this.#needed) break
      messages.push(bytes.subarray(at, at + this.#needed))
      at += this.#needed
    }
    this.#parts = at === bytes.length ? [] : [bytes.subarray(at)]
    this.#bytes = bytes.length - at
    return messages
  }
}
