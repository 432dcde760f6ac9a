-- list commands for kinds of object that are empty or built in.
CREATE TABLE t (a int PRIMARY KEY);
\db pg_default
\dL sql
\dx nosuch
\dy
\dD
\dF nosuch
\dRp
\dl
\drds
\dE
\dm
\dc nosuch
\sf nosuch
\dT int4
\dT uuid
\dT+ bool
\do ^@
\dA btree
\dC nosuch
\dO nosuch
\dX
\des
\dew
\dP
\dRs nosuch
\df+ pg_catalog.now
\da nosuch
\dw
