-- snowflake
CREATE SECURITY INTEGRATION COUNTERSIGN_SNOWFLAKE
  TYPE = EXTERNAL_OAUTH
  ENABLED = TRUE
  EXTERNAL_OAUTH_TYPE = CUSTOM
  EXTERNAL_OAUTH_ISSUER = 'https://id.acme.com'
  EXTERNAL_OAUTH_JWS_KEYS_URL = 'https://id.acme.com/.well-known/jwks.json'
  EXTERNAL_OAUTH_AUDIENCE_LIST = ('https://acme-prod.snowflakecomputing.com')
  EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM = 'sub'
  EXTERNAL_OAUTH_SNOWFLAKE_USER_MAPPING_ATTRIBUTE = 'login_name'
  EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE = 'scp'
  EXTERNAL_OAUTH_ANY_ROLE_MODE = 'ENABLE';

-- snowflake: analysts, whose users the policy does not list
--   when: kind sso; partition aws; account 111122223333; permission_set BreakGlass, DataAnalyst; permission_set_suffix 00112233445566aa, 0123456789abcdef; user_name *@acme.com
--   subject: {user_name|local_part|upper}; scopes: session:role-any
--   One of them could be:
--     CREATE USER "EXAMPLE"
--       LOGIN_NAME = 'EXAMPLE'
--       TYPE = PERSON;
--   its tokens say session:role-any: grant the roles that it may take, and set DEFAULT_ROLE

-- snowflake: workloads, whose users the policy does not list
--   when: kind role; partition aws; account 444455556666, 777788889999; role snowflake-*
--   subject: svc:{account}:{role}; scopes: session:role:{role|upper|underscore}
--   One of them could be:
--     CREATE ROLE IF NOT EXISTS "SNOWFLAKE_EXAMPLE";
--     CREATE USER "svc:444455556666:snowflake-example"
--       LOGIN_NAME = 'svc:444455556666:snowflake-example'
--       TYPE = SERVICE
--       DEFAULT_ROLE = "SNOWFLAKE_EXAMPLE";
--     GRANT ROLE "SNOWFLAKE_EXAMPLE" TO USER "svc:444455556666:snowflake-example";

-- warehouse-sync: Workload Identity Federation

-- warehouse-sync: workloads, whose users the policy does not list
--   when: kind role; partition aws; account 444455556666, 777788889999; role snowflake-*
--   subject: svc:{account}:{role}; scopes: session:role:{role|upper|underscore}
--   One of them could be:
--     CREATE ROLE IF NOT EXISTS "SNOWFLAKE_EXAMPLE";
--     CREATE USER "svc:444455556666:snowflake-example"
--       TYPE = SERVICE
--       WORKLOAD_IDENTITY = (
--         TYPE = OIDC
--         ISSUER = 'https://id.acme.com'
--         SUBJECT = 'svc:444455556666:snowflake-example'
--         OIDC_AUDIENCE_LIST = ('https://acme-prod.snowflakecomputing.com/wif')
--       )
--       DEFAULT_ROLE = "SNOWFLAKE_EXAMPLE";
--     GRANT ROLE "SNOWFLAKE_EXAMPLE" TO USER "svc:444455556666:snowflake-example";

-- warehouse-sync: china, whose users the policy does not list
--   when: kind role; partition aws-cn; account 555566667777; role snowflake-*
--   subject: cn:{role}; scopes: none
--   One of them could be:
--     CREATE USER "cn:snowflake-example"
--       TYPE = SERVICE
--       WORKLOAD_IDENTITY = (
--         TYPE = OIDC
--         ISSUER = 'https://id.acme.com'
--         SUBJECT = 'cn:snowflake-example'
--         OIDC_AUDIENCE_LIST = ('https://acme-prod.snowflakecomputing.com/wif')
--       );
--   the policy names no role for it beyond PUBLIC: grant what it needs
