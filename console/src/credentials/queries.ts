import { queryOptions, useQuery } from '@tanstack/react-query'
import { exact } from '../api/client.ts'

/** How the OAuth 2 authorization of a credential stands. */
export interface Authorization {
  authorized: boolean
  expiresAt: string | null
  renewable: boolean
  scope?: string
}

/** A credential as the API shows it: never with its values. */
export interface Credential {
  id: string
  name: string
  /** The connector. */
  uses: string
  type: string
  revision: number
  /** Null: it was saved without being verified. */
  verified: string | null
  /** The previous secret is valid beside the new one. */
  rotating: boolean
  /** IDs of the flows that name it. */
  usedBy: string[]
  createdAt: string
  changedAt: string
  oauth?: Authorization
}

/** What became of verifying a credential. */
export interface Verification {
  verified: boolean
  /** False when the system cannot be asked. */
  supported: boolean
  reason?: string
}

export type Values = Record<string, string>

export const credentialsQuery = queryOptions({
  queryKey: ['credentials'],
  queryFn: async ({ signal }) => (await exact<{ items: Credential[] }>('GET', '/credentials', { signal })).data.items,
})

export const useCredentials = () => useQuery(credentialsQuery)

const at = (id: string) => `/credentials/${encodeURIComponent(id)}`

export async function getCredential(id: string): Promise<Credential> {
  return (await exact<Credential>('GET', at(id))).data
}

/** Stores a new credential, or changes one; a change without values keeps those it has. */
export async function saveCredential(
  wanted: { name: string; uses: string; type: string; values?: Values },
  old?: Credential,
): Promise<Credential> {
  if (!old) return (await exact<Credential>('POST', '/credentials', { body: { ...wanted, values: wanted.values ?? {} } })).data
  const body = wanted.values ? wanted : { name: wanted.name }
  return (await exact<Credential>('PUT', at(old.id), { body, headers: { 'If-Match': `"${old.revision}"` } })).data
}

/** Asks the system, for at most 30 s: about values that are not saved yet, or about a saved credential by its id. */
export async function verify(
  about: { id: string } | { uses: string; type: string; values: Values },
  signal?: AbortSignal,
): Promise<Verification> {
  return (await exact<Verification>('POST', '/credentials/verify', { body: about, signal })).data
}

/** Begins an OAuth 2 authorization: the address to send the person to. */
export async function authorize(id: string): Promise<{ url: string; redirectUri: string }> {
  return (await exact<{ url: string; redirectUri: string }>('POST', `${at(id)}/authorize`, { body: {} })).data
}

export async function rotate(c: Credential, values: Values): Promise<Credential> {
  return (await exact<Credential>('POST', `${at(c.id)}/rotate`, { body: { values }, headers: { 'If-Match': `"${c.revision}"` } })).data
}

export async function endRotation(c: Credential): Promise<Credential> {
  return (await exact<Credential>('DELETE', `${at(c.id)}/previous`, { headers: { 'If-Match': `"${c.revision}"` } })).data
}

export async function deleteCredential(id: string): Promise<void> {
  await exact('DELETE', at(id))
}
