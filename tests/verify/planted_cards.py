"""Lines that no deck of the compiler has, as somebody might plant them."""

from __future__ import annotations

COMMANDS = """.control
.endc
.CONTROL
.CoNtRoL
 .control
\t.control
.control ; comment
.control $ comment
shell touch canary
!touch canary
system touch canary
echo hacked > canary
write ../x.raw
wrdata out v(a)
source evil.cir
load evil.raw
codemodel evil.cm
osdi evil.osdi
pre_osdi evil.osdi
set sourcepath = /
set filetype=ascii
setcs x = /etc
cd /
run
quit
.include /etc/passwd
.include ../evil.cir
.include "evil.cir"
.include 'evil.cir'
.include ~/evil.cir
.include evil/evil.cir
.include $HOME/evil.cir
.include Rc.spice extra
.inc Rc.spice
.incl evil.cir
.INCLUDE /etc/passwd
.lib evil.lib tt
.lib "/etc/passwd" tt
.model m nmos
.model m d_cosim simulation="evil.so"
.func f(x) {x}
.param x = 'evil'
.param x="evil"
.param x=`touch canary`
.csparam x=1
.global a
.temp 27
.op
.dc Vx 0 1 0.1
.ac dec 10 1 1e9
.noise v(a) Vx dec 10 1 1e9
.meas tran x max v(a)
.print tran v(a)
.plot tran v(a)
.probe alli
.four 1k v(a)
.step param x 1 2 1
.tran 1n 1u
.tran 1e-9 1e-6 0 1e-9
.tran 1e-9 1e-6 0 1e-9 uic extra
.save all
.save @m1[id]
.save v(a) ; shell
.options savecurrents
.options seed=random
.option scale=1u
.options reltol=1u
.ic v(a)=1 v(b)=2
.ic v(a)='1'
.nodeset v(a)=1
.if (1)
.else
.endif
.spiceinit
.verilog "evil.v"
.hdl evil.va
.end extra
.ends a b
.title evil
.width out=80
.alter
.data x
.prot
.unprot
.subckt
.subckt a b params:
.subckt a b=1
.subckt a params: x='1'
A1 [a] [b] adc
A1 %v(a) %v(b) filesrc
D1 a b diode
E1 a 0 vol='v(b)'
E1 a 0 value={v(b)}
E1 a 0 poly(1) b 0 0 1
F1 a b Vx 2
G1 a 0 cur='v(b)'
H1 a b Vx 2
J1 a b c jfet
K1 L1 L2 0.9
M1 a b c d nmos
N1 a b osdimodel
O1 a b c d ltra
P1 a b c
Q1 a b c npn
S1 a b c d sw
T1 a b c d z0=50
U1 a b urc
W1 a b Vx sw
Y1 a b txl
Z1 a b c mes
R1 a b 1k
R1 a b 1meg
R1 a b '1'
R1 a b r='1'
R1 a b {system("x")}
R1 a b {1} tc1=1
R1 a é 1
R1 a b 1 ; shell
R1 a b 1 $ shell
R1 a b 1 // shell
C1 a b 1p
L1 a b 1 ic=x
V1 a 0 DC 1 AC 1
V1 a 0 PWL file="evil"
V1 a 0 PWL(0 0 1n 1)
V1 a 0 PULSE(0 1 $x)
V1 a 0 external
V1 a 0 dc 1; echo
I1 a 0 trnoise(1 1n 0 0)
I1 a 0 trrandom(1 1n)
B1 a 0 v=table(v(b),0,0)'
B1 a 0 i="x"
B1 a 0 i=v(b)^2
B1 a 0 i=v(b)**2;
B1 a 0 v={v(b)} tc1=1$
B1 a 0 i=v(b)\\
B1 a 0 i=v(b)|1
B1 a 0 i=v(b)&&1
B1 a 0 i=@r1[i]
B1 a 0 i=`id`
X1 a b sub x=1
X1 a b sub params: x='1'
X1 a b sub params: x
X1 a;b sub
X1 a b sub params: x=1k
X1 a/b sub
X1 "a" sub
plain words
123
=
;
$
&
#!/bin/sh
alias x shell
if 1
while 1
foreach x 1
let x = 1
alter r1 = 2
rusage all
unset x
version
remcirc
edit
hardcopy x
iplot v(a)
spec 1 1 1
\x00
\x1b]0;evil\x07
\u2028.control
\x85.control
\xa0.control
.contr\u043el
R1 a b 1\x0b.control
R1 a b 1\x0c.control
R1 a b 1\r.control
* comment\r.control
* comment\x0b.control
* comment\x85.control
* comment \u2029.control
* comment \x00
* comment\x1a""".split("\n")


VERILOG = """`include "evil.va"
`include "/etc/passwd"
`include <evil.va>
 `include "disciplines.vams"
`define x evil
`ifdef x
`undef x
`evil
    $system("touch canary");
    $fopen("canary");
        $fwrite(1, "x");
        $finish;
        $error("x");
        x = $fopen("canary");
        x = $random;
        x = $simparam("x", 1);
        x = "text";
        x = 1; $finish;
        x = 1; // $finish
        x = 1 /* $finish */;
        x = 1'b1;
        x = a[0];
        x = {a, b};
        x = V(a)#1;
        X = 1.0;
        I(a) <+ $vt;
        I(a) <+ V(a); I(a) <+ 1.0;
        I(a,b,c) <+ 1.0;
        I(a) : V(a) == 0.0;
        V(a) <+ 1.0;
        I(a) <+ white_noise(1.0, "x");
        I(a) <+ V(A);
        I(a) <+ I(a);
        while (1) x = 1.0;
        forever x = 1.0;
        repeat (9) x = 1.0;
        if (x) x = 1.0;
        for (x = 0; x < 9; x = x + 1) x = 1.0;
        @(initial_step) x = 1.0;
        begin : block
    analog initial begin
    analog function real f;
    initial $finish;
    always #1 x = 1;
    integer x;
    string x;
    real X;
    real x, y;
    real x = 1.0;
    parameter string x = "evil";
    parameter real x = 1.0;
    (* type="instance" *) parameter real x = $fopen("x");
    (* type="instance" *) parameter real x = 1.0 exclude 2.0;
    (* evil *) parameter real x = 1.0;
    localparam real x = 1.0;
    aliasparam x = y;
    branch (a, b) c;
    ground a;
    evil #(.x(1)) e (a, b);
module evil();
module evil #(parameter x = 1) (a);
module Evil(a);
macromodule evil(a);
endmodule // evil
connectmodule evil(a);
nature x;
discipline x;
paramset x y;
/* comment */
//comment
// comment \\
// `evil
# 1 "evil.va"
\x0b    real x;
    real x;\r
    real \u0445;
// \u2028`include "evil.va"
(* x *)
;
evil""".split("\n")

VACASK = """postprocess("touch", "canary")
  postprocess(PYTHON, "evil.py")
embed "evil.py" <<<X
>>>X
include "/etc/passwd"
include "../evil.sim"
include "evil.sim"
include "evil.sim" section=x
include "evil.spice" lang=ngspice
include evil.sim
load "evil.osdi"
load "/tmp/evil.osdi"
load "../evil.osdi"
load "evil.va"
load 'evil.osdi'
model evil vsource
model vsource isource
model resistor resistor
model capacitor capacitor x=1
global a
ground 0 a
ground a
subckt evil
subckt evil a b
ends evil
parameters x=1 y=2
parameters x="evil"
parameters x=$temp
parameters x=evil()
parameters x=1k
section evil
endsection
control evil
endc evil
abort never
abort except analysis
options rawfile="ascii"
options temp=27
options tran_debug=1 evil="x"
var x=1
print x
print "evil"
alter instance("x") r=1
sweep x instance="v" parameter="dc" from=0 to=1 step=0.1
clear saves
elaborate circuit("evil")
save default
save full
save v(a)
save v("a")
save i('v1')
save p('x', id)
save v('a') v('b')
analysis a op
analysis a ac from=1 to=2
analysis a tran step=1 stop=1
analysis a tran step=1 stop=1 maxstep=1 icmode="op"
analysis a tran step=1 stop=1 maxstep=1 icmode="uic" ic="evil"
analysis a tran step=1 stop=1 maxstep=1 icmode="uic" ic={ "a", b }
analysis a tran step=1 stop=1 maxstep=1 icmode="uic" ic={ "a", 1 } store="x"
analysis ../a tran step=1 stop=1 maxstep=1 icmode="uic" ic={ "a", 1 }
nx (a b) evil
nx (a b) resistor r=1
nx a b resistor
vx (a b) vsource dc=1
vx (a 0) isource dc=1
vx (a 0) vsource dc=x
vx (a 0) vsource type="pwl" file="evil"
vx (a 0) vsource type="fm"
vx (a 0) vsource type="dc" dc=1
bx (a 0) v=1
bx (a 0) expr=1 evaluation="$system(1);"
xtop (a b) evil x="y"
xevil (a b) evil
@if x
@else
@end
/* comment */
//comment
// comment \\
nx (a \\
"
'
`touch canary`
$x
evil
\u2028control
vx (a 0) vsource dc=1\r
vx (\u0430 0) vsource dc=1""".split("\n")

PLANTS = {".cir": COMMANDS, ".spice": COMMANDS, ".va": VERILOG, ".sim": VACASK}
"""Lines that the compiler does not write, by the ending of a file."""
