package console
import ("testing";"encoding/json")
func TestZZ(t *testing.T){
 h:=newHistory(t)
 for _, x := range []string{"toUInt64(18446744073709551615)","toDecimal128('1.10', 2)","nan","NULL","[1, 2]","map('a', 'b')","tuple(1, 'x')","toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')","toUUID('0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0001')","toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC')","toIPv4('1.2.3.4')","toInt8(-1)","tuple(1,'x') AS t", "CAST('{\"a\":1.5}','JSON')", "toDateTime('2026-01-02 03:04:05','UTC')","toDate('2026-01-02')","CAST((1,'x'),'Tuple(a UInt8, b String)')","toLowCardinality('x')","CAST('a','Enum8(\\'a\\'=1)')","inf","toTime64('01:02:03',3)","INTERVAL 1 DAY","arrayMap(x->(x,toString(x)),[1,2])","toUInt64(5)::Variant(UInt64,String)","toInt128('-170141183460469231731687303715884105728')","toDecimal256('1.10',5)"} {
  b,_:=json.Marshal(map[string]string{"sql":"SELECT "+x})
  a:=h.do("POST","/api/v1/query",string(b))
  t.Logf("%s: %d %s", x, a.status, a.body)
 }
 t.Log(h.logs.String())
}
