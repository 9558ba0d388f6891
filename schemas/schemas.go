// Package schemas holds what is said between the parts of Sluice: the topics
// and their records, the flow document, the control log's changes, and the
// pure folds that turn recorded facts into state. It imports no other part.
package schemas
