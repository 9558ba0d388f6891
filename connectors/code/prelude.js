// What a single call could use to take all memory at once, before anyone looks, says no instead.
(function () {
  'use strict'
  const most = 16 * 1024 * 1024 // characters of one text
  const mostItems = 4 * 1024 * 1024
  const apply = Reflect.apply // before anything is wrapped
  const tooLarge = () => { throw new RangeError('it makes a text or a list that is too large') }
  const wrap = (owner, name, check) => {
    const original = owner[name]
    if (typeof original !== 'function') return
    Object.defineProperty(owner, name, {
      value: function (...args) {
        check(this, args)
        return apply(original, this, args)
      },
      writable: true, configurable: true, enumerable: false
    })
  }
  const length = (v) => (v == null ? 0 : typeof v === 'string' ? v.length : Number(v.length) || 0)

  wrap(String.prototype, 'repeat', (self, [count]) => { if (length(String(self)) * Number(count) > most) tooLarge() })
  for (const name of ['padStart', 'padEnd']) wrap(String.prototype, name, (self, [to]) => { if (Number(to) > most) tooLarge() })
  for (const name of ['replace', 'replaceAll']) {
    wrap(String.prototype, name, (self, [, by]) => {
      if (typeof by === 'string' && by.length > 16 && (length(String(self)) + 1) * by.length > 4 * most) tooLarge()
    })
  }
  wrap(Array.prototype, 'join', (self, [by]) => {
    const items = length(self)
    if (items > mostItems || items * (by === undefined ? 1 : String(by).length) > most) tooLarge()
    let sum = 0
    for (let i = 0; i < items; i++) if (typeof self[i] === 'string' && (sum += self[i].length) > most) tooLarge()
  })
  for (const name of ['fill', 'map', 'forEach', 'filter', 'concat', 'slice', 'splice', 'reverse', 'sort', 'indexOf', 'lastIndexOf', 'includes', 'find',
    'findIndex', 'findLast', 'findLastIndex', 'every', 'some', 'reduce', 'reduceRight', 'flat', 'flatMap', 'copyWithin', 'keys', 'entries', 'values', 'toString',
    'toSorted', 'toReversed', 'with', 'toSpliced', 'unshift', 'shift']) {
    wrap(Array.prototype, name, (self) => { if (length(self) > mostItems) tooLarge() })
  }
  wrap(Array, 'from', (self, [of]) => { if (length(of) > mostItems) tooLarge() })
  wrap(Function.prototype, 'apply', (self, [, args]) => { if (length(args) > 65536) tooLarge() })
  wrap(Reflect, 'apply', (self, [, , args]) => { if (length(args) > 65536) tooLarge() })
  wrap(JSON, 'stringify', (self, [, , indent]) => { if (length(String(indent ?? '')) > 10) tooLarge() })

  for (const name of ['ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array',
    'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'eval', 'Function', 'WeakRef', 'FinalizationRegistry']) {
    delete globalThis[name]
  }
  BigInt.prototype.toJSON = function () { return this.toString() }
  globalThis.console = Object.freeze({ log () {}, info () {}, warn () {}, error () {}, debug () {} })
})()
