import { ApiError, exact } from '../api/client.ts'
import { diff } from '../flow/diff.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { Edit } from '../flow/edit.ts'
import { same } from '../flow/exact.ts'
import { begin, type History, make, redo, undo } from '../flow/history.ts'
import { type Choices, type Merged, merge } from '../flow/merge.ts'
import type { Flow } from '../flows/queries.ts'
import { dropJournal, type Journal, journalOf, orphans, Presence, tabName, writeJournal } from './journal.ts'

// A draft being edited: its history, and how it gets to the server. Every edit
// is in this browser's journal (journal.ts) before it is sent, so that a reload,
// a crash or a server that is away loses nothing.

export type Saving =
  | { is: 'new' }
  | { is: 'saved' }
  | { is: 'dirty' }
  | { is: 'saving' }
  /** The server does not answer: tried again by itself. */
  | { is: 'away' }
  /** The server does not take the document. */
  | { is: 'refused'; error: ApiError }
  /** Somebody else changed the draft meanwhile. */
  | { is: 'conflict'; theirs: FlowDocument; etag: string }

export interface DraftState {
  history: History
  saving: Saving
  /** How the flow stands on the server; null until it is there. */
  flow: Flow | null
  /** Steps whose setting up is not finished. */
  open: string[]
  /** How many edits were taken up after a reload that had not reached the server. */
  recovered: number
  /** Edits of tabs that were closed before the server had them. */
  left: Journal[]
  /** Whether this browser keeps the edits: its storage may be full. */
  kept: boolean
}

export class Draft {
  private state: DraftState
  private base: FlowDocument
  private etag = ''
  private timer?: ReturnType<typeof setTimeout>
  private running: Promise<void> | null = null
  private wait = 1000
  private closed = false
  private held = false
  /** What the server had when edits were recovered. */
  private before?: FlowDocument
  private presence?: Presence
  private listeners = new Set<() => void>()

  private constructor(doc: FlowDocument) {
    this.base = doc
    this.state = { history: begin(doc), saving: { is: 'new' }, flow: null, open: [], recovered: 0, left: [], kept: true }
  }

  /** A draft that the server does not have yet. */
  static fresh(doc: FlowDocument): Draft {
    return new Draft(doc)
  }

  static async load(id: string): Promise<Draft> {
    const { data: flow, etag } = await exact<Flow>('GET', `/flows/${encodeURIComponent(id)}`)
    const doc = await documentOf(flow)
    const d = new Draft(doc)
    d.etag = etag ?? ''
    d.state = { ...d.state, flow, saving: { is: 'saved' } }
    d.meetOthers()
    d.recover()
    return d
  }

  /** Ends what runs for it: the draft is not shown any more. What is not sent is sent first. */
  close() {
    this.presence?.close()
    this.presence = undefined
    removeEventListener('online', this.again)
    removeEventListener('pagehide', this.flush)
    clearTimeout(this.timer)
    if (this.state.saving.is === 'dirty') void this.save()
    this.closed = true
  }

  /** Other tabs of this browser: told of what is saved here, and what they leave behind is found. */
  private meetOthers() {
    const id = this.state.flow!.id
    const presence = new Presence(id, () => void this.refresh().catch(() => {}))
    this.presence = presence
    addEventListener('online', this.again)
    addEventListener('pagehide', this.flush)
    void presence.others().then(living => {
      if (this.presence !== presence) return
      const left = orphans(id, [presence.tab, ...living]).filter(j => {
        const news = !same(j.history.doc, j.base) && !same(j.history.doc, this.doc)
        if (!news) dropJournal(id, j.tab)
        return news
      })
      if (left.length > 0) this.set({ left })
    })
  }

  /** Asks the server at once, where it was away. */
  again = () => {
    if (this.state.saving.is !== 'away') return
    this.wait = 1000
    this.later(0)
  }
  private flush = () => {
    if (this.state.saving.is === 'dirty') void this.save()
  }

  subscribe = (tell: () => void) => {
    this.listeners.add(tell)
    return () => {
      this.listeners.delete(tell)
    }
  }
  get = () => this.state
  get doc() {
    return this.state.history.doc
  }

  private set(change: Partial<DraftState>) {
    this.state = { ...this.state, ...change }
    for (const tell of this.listeners) tell()
  }

  edit(label: string, edit: Edit, merge = false) {
    this.changed(make(this.state.history, label, edit, merge))
  }
  undo = () => this.changed(undo(this.state.history))
  redo = () => this.changed(redo(this.state.history))

  finish(at: string) {
    if (!this.state.open.includes(at)) return
    this.set({ open: this.state.open.filter(s => s !== at) })
    this.write()
  }
  reopen(at: string) {
    if (this.state.open.includes(at)) return
    this.set({ open: [...this.state.open, at] })
    this.write()
  }

  private changed(history: History) {
    if (history === this.state.history) return
    const conflict = this.state.saving.is === 'conflict'
    const ids = new Set(history.doc.steps.map(s => s.id))
    this.set({
      history,
      open: this.state.open.filter(s => s.startsWith('/') || ids.has(s)),
      ...(conflict ? {} : { saving: { is: 'dirty' as const } }),
    })
    this.write()
    if (!conflict && !this.held) this.later(400)
  }

  /** While it is held nothing is sent by itself: a text is being written that the server would not take yet. */
  hold(held: boolean) {
    if (this.held === held) return
    this.held = held
    if (held) clearTimeout(this.timer)
    else if (this.state.saving.is === 'dirty') this.later(0)
  }

  private later(ms: number) {
    clearTimeout(this.timer)
    // What a closed draft could not send is in the journal, for whoever opens it next.
    if (!this.closed) this.timer = setTimeout(() => void this.save(), ms)
  }

  /** Whether the server can take a document. What it cannot, such as a setting that is half written, is kept here until it can. */
  fit: (doc: FlowDocument) => boolean = () => true

  /** Sends what is not sent yet. It returns when the server has everything, or cannot take it. */
  async save(): Promise<void> {
    clearTimeout(this.timer)
    while (this.running) await this.running
    if (!this.fit(this.doc)) return
    if (this.state.saving.is === 'conflict' || (this.state.flow && same(this.doc, this.base))) {
      if (this.state.saving.is === 'dirty') this.set({ saving: { is: 'saved' } })
      return
    }
    this.running = this.send().finally(() => {
      this.running = null
    })
    await this.running
  }

  private async send() {
    const doc = this.doc
    if (this.state.saving.is !== 'away') this.set({ saving: { is: 'saving' } })
    try {
      const id = this.state.flow?.id
      const answer = id
        ? await exact<Flow>('PUT', `/flows/${encodeURIComponent(id)}`, { body: doc, headers: { 'If-Match': this.etag } })
        : await exact<Flow>('POST', '/flows', { body: doc })
      this.base = doc
      this.wait = 1000
      this.took(answer.data, answer.etag)
      if (!id) {
        // The server gave it an ID; it is part of the document from now on.
        const h = this.state.history
        const withID = (d: FlowDocument): FlowDocument => ({ ...d, id: answer.data.id })
        this.base = withID(doc)
        this.set({ history: { ...h, doc: withID(h.doc) } })
      }
      this.presence?.saved()
      this.set({ saving: same(this.doc, this.base) ? { is: 'saved' } : { is: 'dirty' } })
      if (this.state.saving.is === 'dirty') this.later(100)
    } catch (e) {
      if (!(e instanceof ApiError)) throw e
      if (e.status === 412 || (e.status === 409 && this.state.flow)) await this.meet()
      else if (e.status === 0 || e.status === 502 || e.status === 503) this.away()
      else this.set({ saving: { is: 'refused', error: e } })
    } finally {
      this.write()
    }
  }

  private away() {
    this.set({ saving: { is: 'away' } })
    this.later(this.wait)
    this.wait = Math.min(this.wait * 1.5, 8000)
  }

  /** Somebody changed the flow. Where that was not its document, we go on. */
  private async meet() {
    try {
      const { data: flow, etag } = await exact<Flow>('GET', `/flows/${encodeURIComponent(this.state.flow!.id)}`)
      const theirs = await documentOf(flow)
      this.set({ flow })
      if (same(theirs, this.base) || same(theirs, this.doc)) {
        this.etag = etag ?? ''
        this.base = theirs
        this.set({ saving: { is: 'dirty' } })
        this.later(0)
        return
      }
      this.set({ saving: { is: 'conflict', theirs, etag: etag ?? '' } })
    } catch (e) {
      if (e instanceof ApiError && e.status >= 400 && e.status < 500) this.set({ saving: { is: 'refused', error: e } })
      else this.away()
    }
  }

  /** What one's own edits are, since the draft was last the same as the server's. */
  own = () => diff(this.base, this.doc)
  /** The document that the server last had of this tab: what both sides of a conflict began with. */
  common = () => this.base

  /** What a conflict comes to with these choices. */
  merged(choices: Choices = {}): Merged {
    const s = this.state.saving
    return s.is === 'conflict' ? merge(this.base, this.doc, s.theirs, choices) : { doc: this.doc, clashes: [] }
  }

  /** Ends a conflict. Each way is an edit like any other: Undo brings the other back. */
  resolve(how: 'both' | 'mine' | 'theirs', choices: Choices = {}) {
    const s = this.state.saving
    if (s.is !== 'conflict') return
    const doc = how === 'mine' ? this.doc : how === 'theirs' ? s.theirs : this.merged(choices).doc
    this.base = s.theirs
    this.etag = s.etag
    const label = { both: 'Merge both', mine: 'Keep mine', theirs: 'Take theirs' }[how]
    this.set({ history: make(this.state.history, label, () => doc), saving: { is: 'dirty' } })
    this.write()
    this.later(0)
  }

  /** Gives up what was taken up after a reload. Undo brings it back. */
  discardRecovered() {
    const before = this.before
    this.set({ recovered: 0 })
    if (before) this.edit('Discard recovered edits', () => before)
  }
  keepRecovered() {
    this.set({ recovered: 0 })
  }

  /** Takes the edits of a closed tab into this draft, or forgets them. */
  takeLeft(j: Journal, take: boolean) {
    const id = this.state.flow!.id
    this.set({ left: this.state.left.filter(x => x !== j) })
    if (take) this.edit('Take up edits of a closed tab', () => merge(j.base, j.history.doc, this.doc).doc)
    dropJournal(id, j.tab)
  }

  /** Makes a flow of this draft where its flow was deleted meanwhile. */
  async createAgain() {
    this.set({ flow: null })
    this.etag = ''
    await this.save()
  }

  private took(flow: Flow, etag: string | null) {
    this.etag = etag ?? ''
    this.set({ flow })
  }

  /** Publishes, starts, pauses… after everything was sent. */
  async command(name: 'publish' | 'start' | 'pause' | 'resume' | 'stop'): Promise<Flow> {
    await this.save()
    const id = this.state.flow!.id
    const { data, etag } = await exact<Flow>('POST', `/flows/${encodeURIComponent(id)}/${name}`)
    this.took(data, etag)
    this.write()
    return data
  }

  /** How the flow stands, where another tab may have changed it. */
  async refresh() {
    if (!this.state.flow || this.state.saving.is !== 'saved') return
    const { data, etag } = await exact<Flow>('GET', `/flows/${encodeURIComponent(this.state.flow.id)}`)
    if (this.state.saving.is !== 'saved') return
    const doc = await documentOf(data)
    if (!same(doc, this.base)) {
      this.base = doc
      this.set({ history: make(this.state.history, 'Changed elsewhere', () => doc) })
    }
    this.took(data, etag)
  }

  private write() {
    const id = this.state.flow?.id
    if (!id) return
    const { history, open } = this.state
    const kept = writeJournal(id, { tab: this.presence?.tab ?? tabName(), at: Date.now(), base: this.base, etag: this.etag, history, open })
    if (kept !== this.state.kept) this.set({ kept })
  }

  /** Takes up what this tab had not sent, and its undo list. */
  private recover() {
    const j = journalOf(this.state.flow!.id, this.presence!.tab)
    if (!j) return
    const ids = new Set(j.history.doc.steps.map(s => s.id))
    const open = (j.open ?? []).filter(s => s.startsWith('/') || ids.has(s))
    if (same(j.history.doc, this.base)) this.set({ history: { ...j.history, doc: this.base }, open })
    else if (same(j.base, this.base)) {
      this.before = this.base
      this.set({ history: j.history, open, saving: { is: 'dirty' }, recovered: diff(j.base, j.history.doc).length })
      this.later(0)
    } else if (!same(j.history.doc, j.base)) {
      // Edits of ours that were never sent, and a draft that was changed since.
      const theirs = this.base
      this.base = j.base
      this.set({ history: j.history, open, saving: { is: 'conflict', theirs, etag: this.etag } })
    }
  }
}

/** The document that a flow's next version would have. */
export async function documentOf(flow: Flow): Promise<FlowDocument> {
  if (flow.draft) return flow.draft
  const { data } = await exact<{ document: FlowDocument }>('GET', `/flows/${encodeURIComponent(flow.id)}/versions/${flow.version}`)
  return data.document
}
