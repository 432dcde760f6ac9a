SELECT NULL::name, NULL::name, NULL::name, NULL::text, NULL::text
 WHERE false
