package schemas
import ("testing";"strings";"time";"fmt";"os")
func TestZZ(t *testing.T){
 if os.Getenv("ZZ")=="" {return}
 n := 1<<20
 for name, s := range map[string]string{
  "deepflow": strings.Repeat("[", n), "deepmap": strings.Repeat("{a: ", n/4), "deepseq": strings.Repeat("- ", n/2), "q": strings.Repeat("? ", n/2),
  "comments": strings.Repeat("# x\n", n/4), "commentsend": "a: 1\n"+strings.Repeat("# x\n", n/4)+"b: [", "anchors": strings.Repeat("- &a x\n", n/8)+"b: [",
  "keys": func() string { var b strings.Builder; for i := 0; b.Len()<n; i++ {fmt.Fprintf(&b,"k%d: 1\n",i)}; return b.String()}(),
  "docs": strings.Repeat("---\n", n/4), "docs2": strings.Repeat("--- a\n", n/8), "quote": "a: \"" + strings.Repeat("x\n", n/2), "oneline": "kind: Flow\nsteps: ["+strings.Repeat("{}, ", n/4),
  "validsteps": "kind: Flow\nsteps: ["+strings.Repeat("{}, ", 90000)+"]", "badexpr": "kind: Flow\ntrigger: {uses: webhook/receive, respond: {body: ["+strings.Repeat("'=)', ",80000)+"]}}\nsteps: []",
  "unknown": func() string { var b strings.Builder; b.WriteString("kind: Flow\n"); for i := 0; i<50000; i++ {fmt.Fprintf(&b,"k%d: 1\n",i)}; return b.String()}(),
  "json": "{\"a\":"+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+"}",
 } {
  for _, f := range []string{"x.yaml","x.json"} {
  st := time.Now()
  ds, err := ReadDocuments(f, []byte(s), nil)
  k := 0
  for _, d := range ds { k += len(d.Check(newCatalog(t))) }
  e := ""; if err != nil { e = err.Error(); e = e[:min(100,len(e))] }
  if el := time.Since(st); el > 300*time.Millisecond || f == "x.yaml" { fmt.Println(name, f, el, k, e) }
 }}
}
