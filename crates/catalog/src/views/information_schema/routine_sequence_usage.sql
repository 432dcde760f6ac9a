SELECT NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name, NULL::name
 WHERE false
