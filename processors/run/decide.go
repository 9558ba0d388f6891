package run

import (
	"slices"

	"sluice/schemas"
	"sluice/schemas/records"
)

// graph is a flow's steps and what leads to what. It never changes.
type graph struct {
	nodes []node
}

type node struct {
	id        string
	after     []int // the steps before it
	on        string
	when      bool // has a condition of its own
	otherwise bool
	// rivals are the steps with the same predecessors and a condition: an
	// otherwise runs when none of them does.
	rivals []int
	// handles: a failure of a step before it is not the execution's failure.
	handles bool
}

func newGraph(flow *schemas.Flow) *graph {
	g := &graph{nodes: make([]node, len(flow.Steps))}
	for i, s := range flow.Steps {
		n := node{id: s.ID, on: s.On, when: s.When != "", otherwise: s.Otherwise, after: flow.Parents(i)}
		n.handles = s.On == "failure" || s.On == "always"
		slices.Sort(n.after)
		g.nodes[i] = n
	}
	for i := range g.nodes {
		for j := range g.nodes {
			if i != j && g.nodes[j].when && slices.Equal(g.nodes[i].after, g.nodes[j].after) {
				g.nodes[i].rivals = append(g.nodes[i].rivals, j)
			}
		}
	}
	return g
}

// decision is what an execution does now.
type decision struct {
	skip []int // these will not run
	run  []int // these run now; a condition of their own is still to be asked
	each []int // these run once per element: of their elements more may begin
	end  *records.Ended
}

// decide says what now, given an execution. busy tells which steps are in
// flight. It is pure: the same execution always gets the same decision. After
// a skip the caller folds it in and asks again.
func decide(g *graph, x *records.Execution, busy func(step int) bool) decision {
	var d decision
	if !schemas.Open(x.Status) {
		return d
	}
	state := func(i int) records.StepStatus { return x.Steps[g.nodes[i].id].GetStatus() }
	settled := func(i int) bool { return schemas.Settled(x.Steps[g.nodes[i].id]) }

	failure := unhandled(g, x, state)
	filtered := slices.ContainsFunc(g.nodes, func(n node) bool {
		return x.Steps[n.id].GetStatus() == records.StepStatus_STEP_STATUS_FILTERED
	})
	waiting := false // something is in flight, or will be
	for i := range g.nodes {
		n := &g.nodes[i]
		switch {
		case settled(i):
			continue
		case failure != nil || filtered:
			waiting = waiting || busy(i)
			continue // nothing begins any more
		case state(i) == records.StepStatus_STEP_STATUS_RUNNING:
			d.each = append(d.each, i)
			waiting = true
			continue
		case busy(i), state(i) != records.StepStatus_STEP_STATUS_UNSPECIFIED: // in flight, or parked
			waiting = true
			continue
		case !allOf(n.after, settled):
			waiting = true
			continue
		}
		switch reached(n, state) {
		case false:
			d.skip = append(d.skip, i)
		case true:
			if !n.otherwise {
				d.run = append(d.run, i)
				continue
			}
			switch {
			case slices.ContainsFunc(n.rivals, func(r int) bool { return settled(r) && state(r) != records.StepStatus_STEP_STATUS_SKIPPED }):
				d.skip = append(d.skip, i)
			case allOf(n.rivals, settled):
				d.run = append(d.run, i)
			default:
				waiting = true
			}
		}
	}
	if waiting || len(d.skip) > 0 || len(d.run) > 0 {
		return d
	}
	d.end = &records.Ended{Status: records.ExecutionStatus_EXECUTION_STATUS_SUCCEEDED}
	if filtered {
		d.end.Status = records.ExecutionStatus_EXECUTION_STATUS_FILTERED
	}
	if failure != nil {
		d.end = &records.Ended{Status: records.ExecutionStatus_EXECUTION_STATUS_FAILED, Failure: failure}
	}
	return d
}

// reached says whether the settled steps before a step lead to it.
func reached(n *node, state func(int) records.StepStatus) bool {
	if len(n.after) == 0 {
		return true
	}
	var succeeded, failed bool
	for _, p := range n.after {
		switch state(p) {
		case records.StepStatus_STEP_STATUS_SUCCEEDED:
			succeeded = true
		case records.StepStatus_STEP_STATUS_FAILED, records.StepStatus_STEP_STATUS_CANCELLED:
			failed = true
		}
	}
	switch n.on {
	case "failure":
		return failed
	case "always":
		return succeeded || failed
	}
	return succeeded && !failed
}

// unhandled is the first failure that no later step takes care of.
func unhandled(g *graph, x *records.Execution, state func(int) records.StepStatus) *records.Failure {
	for i := range g.nodes {
		if state(i) != records.StepStatus_STEP_STATUS_FAILED {
			continue
		}
		handled := slices.ContainsFunc(g.nodes, func(n node) bool { return n.handles && slices.Contains(n.after, i) })
		if !handled {
			return x.Steps[g.nodes[i].id].GetFailure()
		}
	}
	return nil
}

func allOf(of []int, is func(int) bool) bool {
	return !slices.ContainsFunc(of, func(i int) bool { return !is(i) })
}
