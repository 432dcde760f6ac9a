SELECT NULL::name, NULL::name, NULL::name, NULL::name, NULL::text
 WHERE false
