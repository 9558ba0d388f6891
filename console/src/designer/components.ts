import { type Component, type Connector, useConnectors } from '../components/queries.ts'

export { type Component, type Connector, useConnectors }

export const connectorOf = (component: string) => component.split('/')[0]!

export function findComponent(connectors: Connector[] | undefined, name: string): Component | undefined {
  return connectors?.find(c => c.name === connectorOf(name))?.components.find(c => c.name === name)
}

export interface Hit {
  connector: Connector
  /** What choosing it uses: the first that fits, or the one that the search names. */
  component: Component
  /** What it is called in the list. */
  title: string
  about: string
}

// What these can do has little in common: each of it is found by its own name.
const apart = new Set(['flow', 'webhook'])

/** Connectors that have a trigger (or an action) and match every word. */
export function search(connectors: Connector[], text: string, trigger: boolean): Hit[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const has = (...texts: (string | undefined)[]) => {
    const all = texts.join(' ').toLowerCase()
    return words.every(w => all.includes(w))
  }
  const hits: (Hit & { rank: number })[] = []
  for (const connector of connectors) {
    const fit = connector.components.filter(c => c.trigger === trigger)
    if (fit.length === 0) continue
    if (apart.has(connector.name) && !trigger) {
      for (const c of fit) {
        const rank = has(c.title, c.name) ? 0 : has(c.title, c.name, c.summary, connector.title, connector.summary) ? 2 : -1
        if (rank >= 0) hits.push({ connector, component: c, title: c.title, about: c.summary ?? '', rank })
      }
      continue
    }
    const about = connector.summary ?? fit.map(c => c.title).join(' · ')
    if (has(connector.title, connector.name)) {
      hits.push({ connector, component: fit[0]!, title: connector.title, about, rank: 0 })
      continue
    }
    const named =
      fit.find(c => has(connector.title, connector.name, c.title, c.name)) ??
      fit.find(c => has(connector.title, connector.name, connector.summary, c.title, c.name, c.summary))
    if (named) hits.push({ connector, component: named, title: connector.title, about: `${named.title}: ${named.summary ?? ''}`, rank: 1 })
  }
  return hits.sort((a, b) => a.rank - b.rank || (words.length > 0 ? a.title.localeCompare(b.title) : order(a) - order(b)))
}

// Without a word: what every flow is made of comes first, then the systems in their own order.
const generic = ['mapper', 'http', 'flow', 'webhook', 'code']
const order = (h: Hit) => generic.indexOf(h.connector.name) + 1 || generic.length + 1
