import type { Step } from '../flow/document.ts'
import { addJoin, addStep, type Edit, type Place } from '../flow/edit.ts'

/** Where a step is to be added: at a place of the graph, or where branches meet. */
export type Where = Place | { join: string[] }

export const addAt = (step: Step, where: Where): Edit => ('join' in where ? addJoin(step, where.join) : addStep(step, where))
