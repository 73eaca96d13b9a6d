(* Preconditioned gradient descent, the same preconditioner for teacher and student.

   Let P be a symmetric operator on R^k (given by its action: <P a, b> = <a, P b> for all a and b; such a P is
   automatically linear).  The teacher moves along u = eta P g with g = - grad LT(th0), the student moves by P
   v(e) with v(e) the plain negative gradient of the imitation loss.  Then

        d/de LT(th0 + alpha P v(e)) = alpha <grad LT, P K u> = - (alpha / eta) <K u, u>   at e = 0+,

   because <grad LT, P x> = <P grad LT, x> = - <u, x> / eta.  So the one-step theorem carries over, with K the
   same Gauss-Newton operator; <v, u> is the inner product of the two steps P v and u = P (eta g) in the
   metric P^{-1} (where P is invertible).  Positive definite preconditioners (frozen second moments, learning
   rates per layer, natural gradient of a fixed metric) are the case of interest; positivity is needed only
   for the teacher to descend on its own loss.  A 0/1 diagonal P is also allowed: teacher and student that
   freeze the same parameters.

   With two different preconditioners the theorem is false: an example with a linear network and diag(10, 1)
   for the teacher, the identity for the student. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep OneOutput.
Open Scope R_scope.

Definition symmetric (k : nat) (P : vec -> vec) : Prop := forall a b, dot k (P a) b = dot k a (P b).
Definition positive (k : nat) (P : vec -> vec) : Prop :=
  forall a, (exists j, (j < k)%nat /\ a j <> 0) -> 0 < dot k (P a) a.

(* a coordinate of P a is an inner product with a *)
Lemma symmetric_coord k P a j : symmetric k P -> (j < k)%nat -> P a j = rsum k (fun i => P (delta j) i * a i).
Proof.
  intros HP Hj. rewrite <- (dot_delta k (P a) j Hj), HP, dot_sym. reflexivity.
Qed.

Lemma rderiv_coord k P v d j : symmetric k P -> (j < k)%nat ->
  (forall i, (i < k)%nat -> rderiv (fun e => v e i) 0 (d i)) -> rderiv (fun e => P (v e) j) 0 (P d j).
Proof.
  intros HP Hj Hv.
  apply (rderiv_ext (fun e => rsum k (fun i => P (delta j) i * v e i))).
  - rewrite (symmetric_coord k P d j HP Hj).
    replace 0 with (rsum k (fun i => P (delta j) i * 0)) at 1.
    + apply (rderiv_sum k (fun i e => P (delta j) i * v e i)). intros i Hi. apply rderiv_scal, Hv, Hi.
    + apply rsum_zero_ext. intros i _. ring.
  - intros e. symmetry. apply symmetric_coord; assumption.
Qed.

Section Preconditioned.
Variables (k n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 : vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hf : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.
Variable P : vec -> vec.
Hypothesis HP : symmetric k P.

(* the slope of LT along the student's preconditioned step, for any direction u of the teacher *)
Lemma preconditioned_slope LT alpha u : differentiable k LT th0 ->
  rderiv (fun e => LT (moved th0 alpha (P (student_step m L w f th0 u e)))) (LT th0)
    (- (alpha * dot k (ggn k n m H w f th0 u) (P (gstep LT th0)))).
Proof.
  intros HT. set (K := ggn k n m H w f th0 u). set (v := student_step m L w f th0 u).
  assert (Hv : forall j, (j < k)%nat -> rderiv (fun e => v e j) 0 (K j)).
  { intros j Hj. unfold v, K. eapply student_step_rderiv; eassumption. }
  replace (- (alpha * dot k K (P (gstep LT th0)))) with (rsum k (fun j => grad LT th0 j * (alpha * P K j))).
  - apply (rderiv_comp k LT th0 (grad LT th0) (fun j e => moved th0 alpha (P (v e)) j)).
    + apply grad_has, HT.
    + intros j Hj. unfold moved.
      assert (Hj0 : rderiv (fun e => th0 j + alpha * P (v e) j) (th0 j + alpha * 0) (0 + alpha * P K j)).
      { apply (rderiv_plus (fun _ => th0 j) (fun e => alpha * P (v e) j)); [apply rderiv_const|].
        apply (rderiv_scal alpha (fun e => P (v e) j)). apply (rderiv_coord k); assumption. }
      replace (th0 j + alpha * 0) with (th0 j) in Hj0 by ring.
      replace (0 + alpha * P K j) with (alpha * P K j) in Hj0 by ring. exact Hj0.
  - rewrite <- (HP K (gstep LT th0)). unfold dot, gstep. rewrite <- rsum_scal, <- rsum_opp.
    apply rsum_ext. intros j _. ring.
Qed.

(* Rate: with u = eta P g the slope is - (alpha / eta) <K u, u>, whatever the symmetric P. *)
Theorem preconditioned_rate LT eta alpha : differentiable k LT th0 -> 0 < eta ->
  let u := P (fun j => eta * gstep LT th0 j) in
  let v := student_step m L w f th0 u in
  rderiv (fun e => LT (moved th0 alpha (P (v e)))) (LT th0) (- (alpha / eta * ggn_form k n m H w f th0 u)).
Proof.
  intros HT Heta u v.
  replace (- (alpha / eta * ggn_form k n m H w f th0 u))
    with (- (alpha * dot k (ggn k n m H w f th0 u) (P (gstep LT th0)))); [apply preconditioned_slope, HT|].
  assert (HK : ggn_form k n m H w f th0 u = eta * dot k (ggn k n m H w f th0 u) (P (gstep LT th0))).
  { transitivity (dot k (ggn k n m H w f th0 u) u); [symmetry; apply ggn_dot|].
    unfold u at 2. rewrite <- HP, dot_scal_r, HP. reflexivity. }
  rewrite HK. field. lra.
Qed.

(* The same symmetric preconditioner for teacher and student: the alternative of the one-step theorem holds as
   it stands. <v, u> is the inner product of the steps P v and u in the metric P^{-1} (where P is
   invertible). *)
Theorem preconditioned_theorem LT eta alpha :
  (forall x, (x < m)%nat -> 0 <= w x) -> differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := P (fun j => eta * gstep LT th0 j) in
  let v := student_step m L w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    0 < dot k (v e) u /\ LT (moved th0 alpha (P (v e))) < LT th0.
Proof.
  intros Hw HT Heta Halpha u v.
  destruct (lemma_one k n m L a H w f th0 HL Hf u Hw) as [Hq [Hzero Hpos]]. fold v in Hzero, Hpos.
  destruct (Rle_lt_or_eq_dec _ _ Hq) as [Hlt|Heq].
  - right. destruct (Hpos Hlt) as [e1 [He1 H1]].
    destruct (rderiv_neg _ _ _ (preconditioned_rate LT eta alpha HT Heta)) as [e2 [He2 H2]].
    + assert (0 < alpha / eta * ggn_form k n m H w f th0 u); [|unfold u in *; lra].
      apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat|]; assumption.
    + exists (Rmin e1 e2). split; [apply Rmin_glb_lt; assumption|]. intros e [He0 He].
      split.
      * apply H1. split; [exact He0|]. apply (Rlt_le_trans _ _ _ He), Rmin_l.
      * apply H2. split; [exact He0|]. apply (Rlt_le_trans _ _ _ He), Rmin_r.
  - left. apply Hzero. symmetry. exact Heq.
Qed.

(* Here positivity is used: where the gradient is not zero, the preconditioned teacher lowers its own loss. *)
Lemma preconditioned_teacher_descends LT eta : positive k P -> differentiable k LT th0 -> 0 < eta ->
  (exists j, (j < k)%nat /\ gstep LT th0 j <> 0) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    LT (teacher th0 (P (fun j => eta * gstep LT th0 j)) e) < LT th0.
Proof.
  intros Hpos HT Heta [j [Hj Hg]]. set (g := fun j => eta * gstep LT th0 j).
  apply (rderiv_neg _ _ (rsum k (fun i => grad LT th0 i * P g i))).
  - apply (rderiv_comp k LT th0 (grad LT th0) (fun i e => teacher th0 (P g) e i)); [apply grad_has, HT|].
    intros i _. unfold teacher. apply rderiv_affine.
  - assert (Hg0 : 0 < dot k (P g) g).
    { apply Hpos. exists j. split; [exact Hj|]. unfold g.
      apply Rmult_integral_contrapositive_currified; [lra|exact Hg]. }
    assert (E : dot k (P g) g = - eta * rsum k (fun i => grad LT th0 i * P g i)).
    { unfold dot at 1. rewrite <- rsum_scal. apply rsum_ext. intros i _. unfold g at 2, gstep. ring. }
    rewrite E in Hg0. apply Ropp_lt_cancel. rewrite Ropp_0.
    apply (Rmult_lt_reg_l eta); [exact Heta|]. lra.
Qed.
End Preconditioned.

(* learning rates, one for each parameter; rates 0 and 1: both models freeze the same parameters *)
Lemma diagonal_symmetric k p : symmetric k (fun v j => p j * v j).
Proof. intros a b. unfold dot. apply rsum_ext. intros j _. ring. Qed.

Lemma diagonal_positive k p : (forall j, (j < k)%nat -> 0 < p j) -> positive k (fun v j => p j * v j).
Proof.
  intros Hp a [j [Hj Ha]]. unfold dot. apply rsum_pos.
  - intros i Hi. rewrite Rmult_assoc. apply Rmult_le_pos; [apply Rlt_le, Hp, Hi|apply Rle_0_sqr].
  - exists j. split; [exact Hj|]. rewrite Rmult_assoc.
    apply Rmult_lt_0_compat; [apply Hp, Hj|apply Rsqr_pos_lt, Ha].
Qed.

(* A learning rate p j for each parameter, the same for teacher and student; the rates may have any sign. *)
Corollary diagonal_preconditioner k n m L a H w f th0 p LT eta alpha :
  compatible n L a H ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  (forall x, (x < m)%nat -> 0 <= w x) -> differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => p j * (eta * gstep LT th0 j) in
  let v := student_step m L w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    0 < dot k (v e) u /\ LT (moved th0 alpha (fun j => p j * v e j)) < LT th0.
Proof.
  intros HL Hf Hw HT Heta Halpha.
  exact (preconditioned_theorem k n m L a H w f th0 HL Hf (fun v j => p j * v j) (diagonal_symmetric k p)
    LT eta alpha Hw HT Heta Halpha).
Qed.

(* Different preconditioners: teacher diag(10, 1), student the identity. The plain alignment is positive, and
   the student's step raises the teacher's loss, for every e > 0 and every alpha > 0. *)
Theorem mismatched_preconditioners :
  let F := fun th : vec => th 0%nat - th 1%nat / 2 in
  let LT := fun th : vec => - (th 0%nat / 10 + 3 / 2 * th 1%nat) in
  let th0 := vec2 0 0 in
  let PT := fun g : vec => vec2 (10 * g 0%nat) (g 1%nat) in
  let u := PT (gstep LT th0) in
  let v := step1 F th0 u in
  forall e alpha, 0 < e -> 0 < alpha -> 0 < dot 2 (v e) u /\ LT th0 < LT (moved th0 alpha (v e)).
Proof.
  intros F LT th0 PT u v e alpha He Halpha.
  assert (HF : has_grad 2 F th0 (vec2 1 (- / 2))) by (unfold F; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (- / 10) (- (3 / 2)))) by (unfold LT; grad_is).
  assert (U0 : u 0%nat = 1).
  { unfold u, PT. cbn [vec2]. rewrite (gstep_is 2 _ _ _ _ HT); [cbn [vec2]; lra | lia]. }
  assert (U1 : u 1%nat = 3 / 2).
  { unfold u, PT. cbn [vec2]. rewrite (gstep_is 2 _ _ _ _ HT); [cbn [vec2]; lra | lia]. }
  assert (V0 : v e 0%nat = e / 4).
  { unfold v. rewrite (step1_is 2 _ _ _ _ _ _ HF); [|lia].
    unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. field. }
  assert (V1 : v e 1%nat = - (e / 8)).
  { unfold v. rewrite (step1_is 2 _ _ _ _ _ _ HF); [|lia].
    unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. field. }
  assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
  unfold dot, LT, moved. cbn [rsum]. rewrite V0, V1, U0, U1. unfold th0. cbn [vec2]. split; lra.
Qed.
