"""Who may do what: IAM policies, their evaluation, function policies and execution roles.

Everything in this room is pure: a request and the policies that count for it go in, a decision comes out.

    principals       who asks: a user, a role's session, an account, a service, nobody
    policy           a policy document, checked and compiled when it is parsed
    evaluation       evaluate(request, ...) -> Decision, with AWS's sentence and an explanation
    resource_policy  the policy of a Lambda function: AddPermission and RemovePermission
    roles            execution roles and the AWS managed policies that they use
"""
