package runlog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHistoryShowsWhatHappened(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		k, conn := newKafka(t), openEngine(t, url)
		id := k.story(1)[0]
		start(t, k.options(conn))
		until(t, conn, 1, "SELECT count() FROM executions WHERE status = 'succeeded'")
		until(t, conn, 1, "SELECT count() FROM hooks")

		at := id.Time().UTC().Add(123 * time.Microsecond)
		say := func(t time.Time) string { return t.Format("2006-01-02 15:04:05.000000") }
		want := []string{
			`executions ["` + id.String() + `","pets",3,"succeeded","` + say(at) + `","` + say(at.Add(2345678*time.Microsecond)) +
				`",2345.678,"","","",false,null,"","0af7651916cd43dd8448eb211c80319c","hooks",0,7]`,
			`steps ["` + id.String() + `","pets",3,"create","Create the pet","petstore\/create-pet",0,1,"retrying","{\"name\":\"Gromit\"}","","busy","http",503,"k1","` +
				say(at) + `",1.5,"` + say(at.Add(2*time.Second)) + `"]`,
			`steps ["` + id.String() + `","pets",3,"create","Create the pet","petstore\/create-pet",0,2,"succeeded","{\"name\":\"Gromit\"}","{\"id\":12345678901234567890}","","",200,"k1","` +
				say(at.Add(2*time.Second)) + `",2,null]`,
			`steps ["` + id.String() + `","pets",3,"tell","","webhook\/send",0,0,"skipped","","","","",0,"","` + say(at.Add(2*time.Second)) + `",0,null]`,
			`hooks ["` + id.String() + `","pets","` + say(at) + `","POST","\/hook\/pets\/x","a=1",{"user-agent":"curl","x-kind":"it's"},"application\/json","{\"petname\":\"Gromit\"}",20,"","","",false,null,"0af7651916cd43dd8448eb211c80319c","hooks",0,0]`,
		}
		if diff := cmp.Diff(want, dump(t, conn)); diff != "" {
			t.Error(diff)
		}
	})
}
