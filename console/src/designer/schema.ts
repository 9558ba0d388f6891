import schema from '../../../schemas/flow.schema.json'
import { settingFaults } from '../flow/check.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { Schema } from '../flow/schema.ts'

/** The JSON Schema of flow documents, the same file that the server checks by. */
export const flowSchema = schema as unknown as Schema

/** Whether the server would take a document as a draft, as far as its settings go. */
export const settingsFit = (doc: FlowDocument) => settingFaults(doc, flowSchema).length === 0
