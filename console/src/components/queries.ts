import { queryOptions, useQuery } from '@tanstack/react-query'
import { exact } from '../api/client.ts'
import type { Json } from '../flow/exact.ts'
import type { Schema } from '../flow/schema.ts'

export type Effect = 'pure' | 'idempotent' | 'keyed' | 'neither'

/** A trigger or action, as the API shows it. */
export interface Component {
  name: string
  title: string
  summary?: string
  trigger: boolean
  effect: Effect
  needsCredential: boolean
  input?: Schema
  output?: Schema
  /** An output as it may be. */
  sample?: Json
}

/** One way to prove who one is to a system. */
export interface CredentialType {
  name: string
  title: string
  summary?: string
  /** Of its values: an object of texts. */
  schema?: Json
  verifiable: boolean
  /** How an access token is got; absent for types without one. */
  oauth?: { grant: 'authorization_code' | 'client_credentials'; scopes?: string[] }
}

export interface Connector {
  name: string
  title: string
  summary?: string
  imported?: boolean
  credentials: CredentialType[]
  components: Component[]
}

export const connectorsQuery = queryOptions({
  queryKey: ['connectors'],
  queryFn: async ({ signal }) => (await exact<{ items: Connector[] }>('GET', '/components', { signal })).data.items,
  staleTime: 30_000,
})

export const useConnectors = () => useQuery(connectorsQuery)

/** What became of an OpenAPI document. */
export interface Imported {
  connector: string
  title: string
  baseUrl?: string
  result: 'created' | 'updated'
  operations: number
  credentials: string[]
  leftOut: { operation: string; reason: string }[]
  warnings: string[]
}
