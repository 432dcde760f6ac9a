SELECT NULL::name, NULL::name, NULL::name, NULL::name, NULL::text, NULL::text, NULL::name
 WHERE false
