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
}

/** Connectors that have a trigger (or an action) and match every word. */
export function search(connectors: Connector[], text: string, trigger: boolean): Hit[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const hits: (Hit & { rank: number })[] = []
  for (const connector of connectors) {
    const fit = connector.components.filter(c => c.trigger === trigger)
    if (fit.length === 0) continue
    const own = `${connector.title} ${connector.name} ${connector.summary ?? ''}`.toLowerCase()
    const name = `${connector.title} ${connector.name}`.toLowerCase()
    if (words.every(w => own.includes(w))) {
      hits.push({ connector, component: fit[0]!, rank: words.every(w => name.includes(w)) ? 0 : 2 })
      continue
    }
    const named = fit.find(c => words.every(w => `${own} ${c.title} ${c.name} ${c.summary ?? ''}`.toLowerCase().includes(w)))
    if (named) hits.push({ connector, component: named, rank: 1 })
  }
  return hits.sort((a, b) => a.rank - b.rank || a.connector.title.localeCompare(b.connector.title))
}
